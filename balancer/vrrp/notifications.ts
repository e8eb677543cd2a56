// Tells scripts and webhooks what instances and sync groups have become, in order, without ever holding an election up.

import type { Logger } from 'pino'
import type { RouterNotifyConfig } from '../config/notify-schema.ts'
import type { VrrpConfig } from '../config/vrrp-schema.ts'
import type { Notification, NotifiedState, RouterNotification } from '../notify/core/notification.ts'
import { createNotifier } from '../notify/notifier.ts'
import type { NotificationScript } from '../notify/scripts.ts'
import { groupState } from './core/group-state.ts'

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

/** Starts with nothing to tell. */
export const createNotifications = ({ vrrp: first, routerId, log }: NotificationsOptions): Notifications => {
  let vrrp = first
  const states = new Map<string, NotifiedState>()
  const groupStates = new Map<string, NotifiedState>()
  let isStopped = false
  const rowOf = (notification: Notification): string =>
    `${notification.type} ${'name' in notification ? notification.name : ''}`
  const notifier = createNotifier({ log, rowOf, mostWaiting })
  const tell = (notification: RouterNotification): void => {
    const { type, name, state } = notification
    const notify = (type === 'INSTANCE' ? vrrp.instances : vrrp.sync_groups).find((one) => one.name === name)?.notify
    notifier.tell(notification, notify === undefined ? [] : routerScripts(notify, state, vrrp.script_user))
  }

  notifier.follow(vrrp.webhooks)
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
      notifier.follow(vrrp.webhooks)
    },
    stop: async () => {
      await notifier.stop()
      isStopped = true
    },
  }
}

/** The scripts for a state of an instance or a group; that of the state first, as in keepalived. `usual` runs what names nobody. */
const routerScripts = (
  { timeout, user, ...notify }: RouterNotifyConfig,
  state: NotifiedState,
  usual: string | undefined,
): readonly NotificationScript[] =>
  (
    [
      [notify[state], false],
      [notify.any, true],
    ] as const
  ).flatMap(([command, isAny]) => (command === undefined ? [] : [{ command, isAny, user: user ?? usual, timeout }]))
