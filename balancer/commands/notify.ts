// `balancer notify --test`: runs every notification script and webhook once, so that they are known to work before they must.

import type { BalancerConfig } from '../config/schema.ts'
import { type NotifyConfig, notifyKeys, type WebhookConfig } from '../config/vrrp-track-schema.ts'
import type { Notification, NotifiedState } from '../vrrp/core/notification.ts'
import { startNotificationScript } from '../vrrp/notify/scripts.ts'
import { deliver, webhookName } from '../vrrp/notify/webhook.ts'

/** What came of one script or webhook. */
export type Trial = { readonly ok: boolean; readonly text: string }

/** The state that a script for all states and a webhook are told: the one that asks for the least. */
const harmless: NotifiedState = 'backup'

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
