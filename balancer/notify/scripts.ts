// The notification scripts of one change, and how each is started.

import { type RunningScript, runScript, type Script } from '../os/script.ts'
import { type Notification, notificationArguments, notificationEnvironment } from './core/notification.ts'

/** A script to run; with `isAny` it is for every state, and is told by its arguments what happened. */
export type NotificationScript = Pick<Script, 'command' | 'user' | 'timeout'> & { readonly isAny: boolean }

/** Starts a script for a notification. */
export const startNotificationScript = (
  { command, isAny, user, timeout }: NotificationScript,
  notification: Notification,
): RunningScript =>
  runScript({
    command: isAny ? [...command, ...notificationArguments(notification)] : command,
    user,
    timeout,
    environment: notificationEnvironment(notification),
    keepOutput: true,
  })
