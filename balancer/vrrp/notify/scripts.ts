// The notification scripts of one change of state, and how each is started.

import type { NotifyConfig } from '../../config/vrrp-track-schema.ts'
import { type RunningScript, runScript, type Script } from '../../os/script.ts'
import {
  type Notification,
  type NotifiedState,
  notificationArguments,
  notificationEnvironment,
} from '../core/notification.ts'

/** A script to run; `isAny`: it is for every state, and gets keepalived's arguments. */
export type NotificationScript = { readonly command: readonly string[]; readonly isAny: boolean }

/** The script of the state first, as in keepalived. */
export const notificationScripts = (notify: NotifyConfig, state: NotifiedState): readonly NotificationScript[] => {
  const own = notify[state]
  return [
    ...(own === undefined ? [] : [{ command: own, isAny: false }]),
    ...(notify.any === undefined ? [] : [{ command: notify.any, isAny: true }]),
  ]
}

/** Starts a script for a notification. */
export const startNotificationScript = (
  { command, isAny, user, timeout }: NotificationScript & Pick<Script, 'user' | 'timeout'>,
  notification: Notification,
): RunningScript =>
  runScript({
    command: isAny ? [...command, ...notificationArguments(notification)] : command,
    user,
    timeout,
    environment: notificationEnvironment(notification),
    keepOutput: true,
  })
