// What notification scripts and webhooks are told: of VRRP in keepalived's words and order, of servers alike.

import { oneLine } from '../../core/text.ts'

/** What an instance or a sync group has become. */
export type NotifiedState = 'master' | 'backup' | 'fault' | 'stop'

/** What a server has become. */
export type ServerState = 'up' | 'down' | 'drain' | 'maint'

/** `at`: milliseconds since the epoch; `isTest`: nothing happened, an operator tries out whether he would learn of it. */
type Common = {
  readonly reason: string
  readonly routerId: string
  readonly at: number
  readonly isTest: boolean
}

/** One change of state of an instance or a group. `previous` null: there was none yet. A group has the priority 0. */
export type RouterNotification = Common & {
  readonly type: 'INSTANCE' | 'GROUP'
  readonly name: string
  readonly state: NotifiedState
  readonly previous: NotifiedState | null
  readonly priority: number
}

/** One change of state of a server. `previous` null: nothing was known of it. */
export type ServerNotification = Common & {
  readonly type: 'SERVER'
  readonly listener: string
  readonly server: string
  readonly state: ServerState
  readonly previous: ServerState | null
}

/** Another server of a single-writer listener takes the sessions; null: none, or none before. */
export type WriterNotification = Common & {
  readonly type: 'WRITER'
  readonly listener: string
  readonly server: string | null
  readonly previous: string | null
}

/** Any of them. */
export type Notification = RouterNotification | ServerNotification | WriterNotification

/** Whose change it is: `V`, `mysql/db1`, or the listener of a writer. */
export const subjectOf = (notification: Notification): string => {
  switch (notification.type) {
    case 'SERVER':
      return `${notification.listener}/${notification.server}`
    case 'WRITER':
      return notification.listener
    default:
      return notification.name
  }
}

/** What it has become, in one word: `MASTER`, `DOWN`, the name of a writer or nothing. */
const becomeOf = (notification: Notification): string =>
  notification.type === 'WRITER' ? (notification.server ?? '') : notification.state.toUpperCase()
const beforeOf = (notification: Notification): string =>
  notification.type === 'WRITER' ? (notification.previous ?? '') : (notification.previous?.toUpperCase() ?? '')

/** A change in a few words, for the log. */
export const changeText = (notification: Notification): string => {
  const become = becomeOf(notification)
  return notification.type === 'WRITER' ? (become === '' ? 'NO WRITER' : `WRITER ${become}`) : become
}

/** The fields of a line of the log about a change. */
export const changeFields = (notification: Notification): Readonly<Record<string, unknown>> => {
  switch (notification.type) {
    case 'SERVER':
      return { listener: notification.listener, server: notification.server, state: notification.state }
    case 'WRITER':
      return { listener: notification.listener, writer: notification.server }
    default:
      return { instance: notification.name, state: notification.state }
  }
}

/**
 * Four arguments: keepalived's of VRRP (type, name, state, priority), and of a server or a writer its state or name before in
 * the last place. They come after those that are configured.
 */
export const notificationArguments = (notification: Notification): readonly string[] => [
  notification.type,
  subjectOf(notification),
  becomeOf(notification),
  'priority' in notification ? `${notification.priority}` : beforeOf(notification),
]

/** The same for every script of a kind, with what keepalived does not tell. */
export const notificationEnvironment = (notification: Notification): Readonly<Record<string, string>> => ({
  BALANCER_TYPE: notification.type,
  BALANCER_NAME: subjectOf(notification),
  ...ownEnvironment(notification),
  // It may quote what scripts, servers and peers say.
  BALANCER_REASON: oneLine(notification.reason, longestReason),
  BALANCER_ROUTER_ID: notification.routerId,
  ...(notification.isTest ? { BALANCER_TEST: '1' } : {}),
})

const longestReason = 1000

const ownEnvironment = (notification: Notification): Readonly<Record<string, string>> => {
  const states = {
    BALANCER_STATE: becomeOf(notification),
    BALANCER_PREVIOUS_STATE: beforeOf(notification),
  }
  switch (notification.type) {
    case 'SERVER':
      return { ...states, BALANCER_LISTENER: notification.listener, BALANCER_SERVER: notification.server }
    case 'WRITER':
      return {
        BALANCER_LISTENER: notification.listener,
        BALANCER_SERVER: becomeOf(notification),
        BALANCER_PREVIOUS_SERVER: beforeOf(notification),
      }
    default:
      return { ...states, BALANCER_PRIORITY: `${notification.priority}` }
  }
}

/** The body of a webhook. */
export const notificationJson = (notification: Notification, iso: (moment: number) => string): string =>
  JSON.stringify({
    event: events[notification.type],
    router_id: notification.routerId,
    ...ownMembers(notification),
    reason: notification.reason,
    at: iso(notification.at),
    test: notification.isTest,
  })

const events: Readonly<Record<Notification['type'], string>> = {
  INSTANCE: 'vrrp-state',
  GROUP: 'vrrp-state',
  SERVER: 'server-state',
  WRITER: 'writer',
}

const ownMembers = (notification: Notification): Readonly<Record<string, unknown>> => {
  switch (notification.type) {
    case 'SERVER': {
      const { listener, server, state, previous } = notification
      return { listener, server, state, previous_state: previous }
    }
    case 'WRITER': {
      const { listener, server, previous } = notification
      return { listener, server, previous_server: previous }
    }
    default: {
      const { type, name, state, previous, priority } = notification
      return { type: type.toLowerCase(), name, state, previous_state: previous, priority }
    }
  }
}

/** Pause before the attempt after so many that failed: it doubles from half a second up to half a minute. */
export const pauseAfter = (failures: number): number => Math.min(30_000, 500 * 2 ** (failures - 1))
