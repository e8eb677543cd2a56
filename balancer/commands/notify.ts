// `balancer notify --test`: runs every notification script and webhook once, so that they are known to work before they must.

import { loadConfig } from '../config/load.ts'
import { type RouterNotifyConfig, routerNotifyKeys, type WebhookConfig } from '../config/notify-schema.ts'
import type { BalancerConfig } from '../config/schema.ts'
import type {
  Notification,
  NotifiedState,
  RouterNotification,
  ServerNotification,
  WriterNotification,
} from '../notify/core/notification.ts'
import { type NotificationScript, startNotificationScript } from '../notify/scripts.ts'
import { serverScripts } from '../notify/server-notifications.ts'
import { deliver, webhookName } from '../notify/webhook.ts'
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
  { vrrp, notify, listeners, router_id: routerId }: Pick<BalancerConfig, 'vrrp' | 'notify' | 'listeners' | 'router_id'>,
  onTrial: (trial: Trial) => void,
): Promise<boolean> => {
  let isWell = true
  const report = (what: string, ok: boolean, text: string): void => {
    isWell &&= ok
    onTrial({ ok, text: `${what}: ${text}` })
  }
  const common = { routerId, reason: 'test by an operator', at: Date.now(), isTest: true, previous: null }
  const ofRouter = (
    type: RouterNotification['type'],
    name: string,
    priority: number,
    state: NotifiedState,
  ): RouterNotification => ({ ...common, type, name, priority, state })
  const [listener] = listeners
  const place = { listener: listener?.name ?? 'none', server: listener?.servers[0]?.name ?? 'none' }
  const ofServer: ServerNotification = { ...common, ...place, type: 'SERVER', state: 'up' }
  const ofWriter: WriterNotification = { ...common, ...place, type: 'WRITER' }

  const tryScript = async (shown: string, one: NotificationScript, notification: Notification): Promise<void> => {
    const script = startNotificationScript(one, notification)
    const { ok, text, lastLine } = await script.result
    await script.ended
    report(`${shown} ${one.command[0]}`, ok, lastLine === null ? text : `${text}, said: ${lastLine}`)
  }
  const tryRouter = async (
    type: RouterNotification['type'],
    name: string,
    priority: number,
    configured?: RouterNotifyConfig,
  ): Promise<void> => {
    if (configured === undefined) return
    const { timeout, user = vrrp.script_user } = configured
    for (const key of routerNotifyKeys) {
      const command = configured[key]
      if (command === undefined) continue
      const isAny = key === 'any'
      const notification = ofRouter(type, name, priority, isAny ? harmless : key)
      await tryScript(`${name} ${key}`, { command, isAny, user, timeout }, notification)
    }
  }
  /** Its path may be a secret, and several may be on one host. */
  const tryWebhook = async (place: string, webhook: WebhookConfig, notification: Notification): Promise<void> => {
    const { ok, text } = await deliver({ ...webhook, retries: 0 }, notification, new AbortController().signal)
    report(`${place} ${webhookName(webhook)}`, ok, text)
  }
  for (const { name, priority, notify: own } of vrrp.instances) await tryRouter('INSTANCE', name, priority, own)
  for (const { name, notify: own } of vrrp.sync_groups) await tryRouter('GROUP', name, 0, own)
  const [first] = vrrp.instances
  const ofFirst = ofRouter('INSTANCE', first?.name ?? 'none', first?.priority ?? 0, harmless)
  for (const [i, webhook] of vrrp.webhooks.entries()) await tryWebhook(`vrrp.webhooks[${i}]`, webhook, ofFirst)
  for (const notification of [ofServer, ofWriter]) {
    const { type } = notification
    for (const one of serverScripts({ notify, vrrp }, type)) await tryScript(type.toLowerCase(), one, notification)
  }
  for (const [i, webhook] of notify.webhooks.entries()) await tryWebhook(`notify.webhooks[${i}]`, webhook, ofServer)
  return isWell
}
