// Tells scripts and webhooks of the changes of servers and writers. The vrrp process does it: the director, which sees them
// first, may start no program and become no other user.

import { isDeepStrictEqual } from 'node:util'
import type { Logger } from 'pino'
import { notifyKeys } from '../config/notify-schema.ts'
import type { BalancerConfig } from '../config/schema.ts'
import type { Fact } from '../pool/core/facts.ts'
import type { Notification } from './core/notification.ts'
import { createServerChanges } from './core/server-changes.ts'
import { createNotifier } from './notifier.ts'
import type { NotificationScript } from './scripts.ts'

/** The part of the configuration that matters here. */
export type ServerNotificationsConfig = Pick<BalancerConfig, 'router_id' | 'notify' | 'listeners'> & {
  readonly vrrp: Pick<BalancerConfig['vrrp'], 'script_user'>
}

/** The running notifications of servers. */
export type ServerNotifications = {
  readonly hear: (fact: Fact) => void
  /** Whether what happens from now on is told; else another program tells it. */
  readonly speak: (isSpeaker: boolean) => void
  /** Follows another configuration, and says what changed. */
  readonly reconfigure: (next: ServerNotificationsConfig) => readonly string[]
  readonly stop: () => Promise<void>
}

/** Of one listener: as many as most listeners have servers, and all of them may go at once. */
const mostWaiting = 100

/** Starts in silence: the facts that are heard before `speak` have been told. */
export const startServerNotifications = (first: ServerNotificationsConfig, log: Logger): ServerNotifications => {
  let config = first
  let isSpeaking = false
  const changes = createServerChanges()
  const rowOf = (notification: Notification): string => ('listener' in notification ? notification.listener : '')
  const notifier = createNotifier({ log, rowOf, mostWaiting })
  notifier.follow(config.notify.webhooks)
  return {
    hear: (fact) => {
      if (fact.fact !== 'server-health' && fact.fact !== 'writer') return
      const change = changes.hear(fact)
      if (change === undefined || !isSpeaking) return
      const notification = { ...change, routerId: config.router_id, at: Date.now(), isTest: false }
      notifier.tell(notification, serverScripts(config, change.type))
    },
    speak: (isSpeaker) => {
      isSpeaking = isSpeaker
    },
    reconfigure: (next) => {
      const changed = notifyKeys.filter((key) => !isDeepStrictEqual(config.notify[key], next.notify[key]))
      config = next
      changes.keep(next.listeners)
      notifier.follow(next.notify.webhooks)
      return changed.length === 0 ? [] : [`notify: changed ${changed.join(', ')}`]
    },
    stop: notifier.stop,
  }
}

/** The scripts for a change of a server, or of a writer. */
export const serverScripts = (
  { notify, vrrp }: Pick<ServerNotificationsConfig, 'notify' | 'vrrp'>,
  type: 'SERVER' | 'WRITER',
): readonly NotificationScript[] => {
  const command = type === 'SERVER' ? notify.server : notify.writer
  const { timeout, user = vrrp.script_user } = notify
  return command === undefined ? [] : [{ command, isAny: true, user, timeout }]
}
