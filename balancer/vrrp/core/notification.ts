// What notification scripts and webhooks are told, in keepalived's words and order.

import type { Standing } from './tracking.ts'

/** What an instance or a sync group has become. */
export type NotifiedState = 'master' | 'backup' | 'fault' | 'stop'

/** One change of state. `previous` null: there was none yet. A group has the priority 0. `at`: milliseconds since the epoch. */
export type Notification = {
  readonly type: 'INSTANCE' | 'GROUP'
  readonly name: string
  readonly state: NotifiedState
  readonly previous: NotifiedState | null
  readonly priority: Standing['priority']
  readonly reason: string
  readonly routerId: string
  readonly at: number
  /** Nothing happened: an operator tries out whether he would learn of it. */
  readonly isTest: boolean
}

/** keepalived's four arguments; they come after those that are configured, and for `any` only. */
export const notificationArguments = ({ type, name, state, priority }: Notification): readonly string[] => [
  type,
  name,
  state.toUpperCase(),
  `${priority}`,
]

/** The same for every script, with what keepalived does not tell. */
export const notificationEnvironment = (notification: Notification): Readonly<Record<string, string>> => ({
  BALANCER_TYPE: notification.type,
  BALANCER_NAME: notification.name,
  BALANCER_STATE: notification.state.toUpperCase(),
  BALANCER_PRIORITY: `${notification.priority}`,
  BALANCER_PREVIOUS_STATE: notification.previous?.toUpperCase() ?? '',
  // A reason may quote what scripts and peers say: a zero byte would keep a script from being started.
  BALANCER_REASON: notification.reason.replaceAll('\0', ' ').slice(0, longestReason),
  BALANCER_ROUTER_ID: notification.routerId,
  ...(notification.isTest ? { BALANCER_TEST: '1' } : {}),
})

const longestReason = 1000

/** The body of a webhook. */
export const notificationJson = (notification: Notification, iso: (moment: number) => string): string =>
  JSON.stringify({
    event: 'vrrp-state',
    router_id: notification.routerId,
    type: notification.type.toLowerCase(),
    name: notification.name,
    state: notification.state,
    previous_state: notification.previous,
    priority: notification.priority,
    reason: notification.reason,
    at: iso(notification.at),
    test: notification.isTest,
  })

/** The state of a sync group: that of its members where they agree, else none. */
export const groupState = (members: readonly (NotifiedState | undefined)[]): NotifiedState | null => {
  const [first] = members
  return first !== undefined && members.every((state) => state === first) ? first : null
}

/** Pause before the attempt after so many that failed: it doubles from half a second up to half a minute. */
export const pauseAfter = (failures: number): number => Math.min(30_000, 500 * 2 ** (failures - 1))
