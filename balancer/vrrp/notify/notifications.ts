// Tells scripts and webhooks what instances and sync groups have become, in order, without ever holding an election up.

import { setTimeout as sleep } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import type { Logger } from 'pino'
import type { VrrpConfig } from '../../config/vrrp-schema.ts'
import type { NotifyConfig, WebhookConfig } from '../../config/vrrp-track-schema.ts'
import type { RunningScript } from '../../os/script.ts'
import { groupState, type Notification, type NotifiedState } from '../core/notification.ts'
import { createQueue, type Queue } from './queue.ts'
import { notificationScripts, startNotificationScript } from './scripts.ts'
import { deliver, webhookName } from './webhook.ts'

export type NotificationsOptions = {
  readonly vrrp: VrrpConfig
  readonly routerId: string
  readonly log: Logger
}

/** The running notifications. */
export type Notifications = {
  /** An instance is in a state, as everybody has been told already. */
  readonly assume: (instance: string, state: NotifiedState) => void
  /** An instance has entered a state. Returns at once: scripts are started later. */
  readonly entered: (instance: string, state: NotifiedState, priority: number, reason: string) => void
  readonly reconfigure: (next: VrrpConfig) => void
  /** Waits a while for what is due, then kills what still runs. */
  readonly stop: () => Promise<void>
}

const mostWaiting = 16
const mostDeliveries = 100
const stopLimitMillis = 3000
const killLimitMillis = 500

/** What is to be told, and how: an instance that a reload removes still says that it stopped. */
type Due = { readonly notification: Notification; readonly notify: NotifyConfig }

type Receiver = { readonly webhook: WebhookConfig; readonly queue: Queue<Notification>; readonly gone: AbortController }

/** Starts with nothing to tell. */
export const createNotifications = ({ vrrp: first, routerId, log }: NotificationsOptions): Notifications => {
  let vrrp = first
  const states = new Map<string, NotifiedState>()
  const groupStates = new Map<string, NotifiedState>()
  /** By type and name, for as long as the process runs: a reload must not let two scripts of one instance run at once. */
  const queues = new Map<string, Queue<Due>>()
  const running = new Set<RunningScript>()
  let receivers: readonly Receiver[] = []
  const leaving = new Set<Receiver>()
  let isStopped = false

  const run = async ({ notification, notify }: Due): Promise<void> => {
    for (const { command, isAny } of notificationScripts(notify, notification.state)) {
      if (isStopped) return
      const user = notify.user ?? vrrp.script_user
      const script = startNotificationScript({ command, isAny, user, timeout: notify.timeout }, notification)
      running.add(script)
      const { ok, text, lastLine } = await script.result
      const fields = {
        instance: notification.name,
        script: command[0],
        ...(lastLine === null ? {} : { output: lastLine }),
      }
      log[ok ? 'debug' : 'warn'](
        fields,
        `(${notification.name}) notify script ${command[0]} ${ok ? 'succeeded' : `failed (${text})`}`,
      )
      await script.ended
      running.delete(script)
    }
  }
  const queueOf = ({ type, name }: Notification): Queue<Due> => {
    const key = `${type} ${name}`
    const known = queues.get(key)
    if (known !== undefined) return known
    const queue = createQueue<Due>(mostWaiting, run, ({ notification: { state } }) => {
      log.warn({ instance: name, state }, `(${name}) notify scripts are too slow: left out ${state.toUpperCase()}`)
    })
    queues.set(key, queue)
    return queue
  }
  const receiverOf = (webhook: WebhookConfig): Receiver => {
    const gone = new AbortController()
    const shown = webhookName(webhook)
    const send = async (notification: Notification): Promise<void> => {
      const { ok, text } = await deliver(webhook, notification, gone.signal)
      const fields = { webhook: shown, instance: notification.name, state: notification.state }
      log[ok ? 'debug' : 'warn'](fields, `(${notification.name}) webhook ${shown} ${ok ? text : `failed (${text})`}`)
    }
    const queue = createQueue<Notification>(mostDeliveries, send, ({ name, state }) => {
      log.warn({ webhook: shown }, `(${name}) webhook ${shown} is too slow: left out ${state.toUpperCase()}`)
    })
    return { webhook, queue, gone }
  }
  const follow = (): void => {
    const kept = receivers.filter(({ webhook }) => vrrp.webhooks.some((one) => isDeepStrictEqual(one, webhook)))
    for (const receiver of receivers) {
      if (kept.includes(receiver)) continue
      // What is due is still delivered.
      leaving.add(receiver)
      void receiver.queue.idle().then(() => leaving.delete(receiver))
    }
    receivers = vrrp.webhooks.map(
      (webhook) => kept.find((receiver) => isDeepStrictEqual(receiver.webhook, webhook)) ?? receiverOf(webhook),
    )
  }
  const tell = (notification: Notification): void => {
    const notify = notifyOf(vrrp, notification)
    if (notify !== undefined) queueOf(notification).add({ notification, notify })
    for (const { queue } of receivers) queue.add(notification)
  }

  follow()
  return {
    entered: (instance, state, priority, reason) => {
      const previous = states.get(instance) ?? null
      if (isStopped || previous === state) return
      states.set(instance, state)
      const common = { routerId, at: Date.now(), isTest: false, reason, state }
      tell({ ...common, type: 'INSTANCE', name: instance, previous, priority })
      const group = vrrp.sync_groups.find(({ instances }) => instances.includes(instance))
      if (group === undefined) return
      const before = groupStates.get(group.name) ?? null
      const now = groupState(group.instances.map((member) => states.get(member)))
      if (now === null || now === before) return
      groupStates.set(group.name, now)
      tell({ ...common, type: 'GROUP', name: group.name, previous: before, priority: 0 })
    },
    assume: (instance, state) => {
      states.set(instance, state)
      const group = vrrp.sync_groups.find(({ instances }) => instances.includes(instance))
      const now = groupState(group?.instances.map((member) => states.get(member)) ?? [])
      if (group !== undefined && now !== null) groupStates.set(group.name, now)
    },
    reconfigure: (next) => {
      vrrp = next
      const instances = new Set(next.instances.map(({ name }) => name))
      for (const name of states.keys()) if (!instances.has(name)) states.delete(name)
      const groups = new Set(next.sync_groups.map(({ name }) => name))
      for (const name of groupStates.keys()) if (!groups.has(name)) groupStates.delete(name)
      follow()
    },
    stop: async () => {
      const all = [...receivers, ...leaving]
      const idle = Promise.all([...queues.values(), ...all.map(({ queue }) => queue)].map((queue) => queue.idle()))
      await Promise.race([idle, after(stopLimitMillis)])
      isStopped = true
      for (const queue of queues.values()) queue.clear()
      for (const { queue, gone } of all) {
        queue.clear()
        gone.abort()
      }
      for (const script of running) script.kill()
      // A process that waits for a dead disk cannot even be killed.
      await Promise.race([idle, after(killLimitMillis)])
    },
  }
}

const notifyOf = (vrrp: VrrpConfig, { type, name }: Notification): NotifyConfig | undefined =>
  (type === 'INSTANCE' ? vrrp.instances : vrrp.sync_groups).find((one) => one.name === name)?.notify

const after = (limit: number): Promise<void> => sleep(limit, undefined, { ref: false })
