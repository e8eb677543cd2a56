// `balancer notify --test`: runs every notification script and webhook once, so that they are known to work before they must.

import { loadConfig } from '../config/load.ts'
import type { BalancerConfig } from '../config/schema.ts'
import { type NotifyConfig, notifyKeys, type WebhookConfig } from '../config/vrrp-track-schema.ts'
import type { Notification, NotifiedState } from '../vrrp/core/notification.ts'
import { startNotificationScript } from '../vrrp/notify/scripts.ts'
import { deliver, webhookName } from '../vrrp/notify/webhook.ts'
import { configProblems } from './exit.ts'

/** What came of one script or webhook. */
export type Trial = { readonly ok: boolean; readonly text: string }

/** The state that a script for all states and a webhook are told: the one that asks for the least. */
const harmless: NotifiedState = 'backup'

/** Runs all that the configuration `file` names and prints what came of each; the exit code. */
export const tryAll = async (file: string): Promise<number> => {
  const loaded = loadConfig(file)
  if (!loaded.ok) return configProblems(loaded.problems)
  let trials = 0
  const isWell = await tryNotifications(loaded.config, ({ ok, text }) => {
    trials += 1
    process.stdout.write(`${ok ? 'ok    ' : 'FAILED'}  ${text}\n`)
  })
  if (trials === 0) process.stdout.write(`${file} has no notification scripts and no webhooks\n`)
  return isWell ? 0 : 1
}

/** Tries all of them, one after another; `onTrial` hears of each. False where one failed. */
export const tryNotifications = async (
  { vrrp, router_id: routerId }: Pick<BalancerConfig, 'vrrp' | 'router_id'>,
  onTrial: (trial: Trial) => void,
): Promise<boolean> => {
  let isWell = true
  const report = (what: string, ok: boolean, text: string): void => {
    isWell &&= ok
    onTrial({ ok, text: `${what}: ${text}` })
  }
  const about = (type: Notification['type'], name: string, priority: number, state: NotifiedState): Notification => ({
    ...{ type, name, priority, state, routerId, previous: null },
    reason: 'test by an operator',
    at: Date.now(),
    isTest: true,
  })
  const trySubject = async (type: Notification['type'], name: string, priority: number, notify?: NotifyConfig) => {
    if (notify === undefined) return
    const { timeout, user = vrrp.script_user } = notify
    for (const key of notifyKeys) {
      const command = notify[key]
      if (command === undefined) continue
      const isAny = key === 'any'
      const notification = about(type, name, priority, isAny ? harmless : key)
      const script = startNotificationScript({ command, isAny, user, timeout }, notification)
      const { ok, text, lastLine } = await script.result
      await script.ended
      report(`${name} ${key} ${command[0]}`, ok, lastLine === null ? text : `${text}, said: ${lastLine}`)
    }
  }
  const tryWebhook = async (webhook: WebhookConfig): Promise<void> => {
    const [first] = vrrp.instances
    const notification = about('INSTANCE', first?.name ?? 'none', first?.priority ?? 0, harmless)
    const { ok, text } = await deliver({ ...webhook, retries: 0 }, notification, new AbortController().signal)
    report(`webhook ${webhookName(webhook)}`, ok, text)
  }
  for (const { name, priority, notify } of vrrp.instances) await trySubject('INSTANCE', name, priority, notify)
  for (const { name, notify } of vrrp.sync_groups) await trySubject('GROUP', name, 0, notify)
  for (const webhook of vrrp.webhooks) await tryWebhook(webhook)
  return isWell
}
