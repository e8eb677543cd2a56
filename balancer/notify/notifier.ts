// Runs scripts and calls webhooks for what happened, in order, without anybody ever waiting for them.

import { setTimeout as sleep } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import type { Logger } from 'pino'
import { createBoundedLog } from '../bounded-log.ts'
import type { WebhookConfig } from '../config/notify-schema.ts'
import type { RunningScript } from '../os/script.ts'
import { changeFields, changeText, type Notification, subjectOf } from './core/notification.ts'
import { createQueue, type Queue } from './queue.ts'
import { type NotificationScript, startNotificationScript } from './scripts.ts'
import { deliver, webhookName } from './webhook.ts'

/** The running notifications. */
export type Notifier = {
  /** Tells all webhooks and runs these scripts. Returns at once: scripts are started later. */
  readonly tell: (notification: Notification, scripts: readonly NotificationScript[]) => void
  /** From now on these are told; what is due to others is still delivered. */
  readonly follow: (webhooks: readonly WebhookConfig[]) => void
  /** Waits a while for what is due, then kills what still runs. */
  readonly stop: () => Promise<void>
}

export type NotifierOptions = {
  readonly log: Logger
  /** Whose scripts run one after another. */
  readonly rowOf: (notification: Notification) => string
  /** How many changes wait while a script of that row hangs. */
  readonly mostWaiting: number
}

const mostDeliveries = 100
const stopLimitMillis = 3000
const killLimitMillis = 500

type Due = { readonly notification: Notification; readonly scripts: readonly NotificationScript[] }
type Receiver = { readonly webhook: WebhookConfig; readonly queue: Queue<Notification>; readonly gone: AbortController }

/** Starts with nothing to tell, and nobody. */
export const createNotifier = ({ log, rowOf, mostWaiting }: NotifierOptions): Notifier => {
  /** For as long as the process runs: a reload must not let two scripts of one row run at once. */
  const queues = new Map<string, Queue<Due>>()
  const running = new Set<RunningScript>()
  let receivers: readonly Receiver[] = []
  const leaving = new Set<Receiver>()
  let isStopped = false
  /** A thing that flaps is told of so often that each line is another one. */
  const bounded = createBoundedLog(log)

  const run = async ({ notification, scripts }: Due): Promise<void> => {
    for (const one of scripts) {
      if (isStopped) return
      const [program] = one.command
      const script = startNotificationScript(one, notification)
      running.add(script)
      const { ok, text, lastLine } = await script.result
      const output = lastLine === null ? {} : { output: lastLine }
      bounded(
        ok ? 'debug' : 'warn',
        `script ${ok} ${rowOf(notification)}`,
        { ...changeFields(notification), script: program, ...output },
        `(${subjectOf(notification)}) notify script ${program} ${ok ? 'succeeded' : `failed (${text})`}`,
      )
      await script.ended
      running.delete(script)
    }
  }
  const queueOf = (notification: Notification): Queue<Due> => {
    const row = rowOf(notification)
    const known = queues.get(row)
    if (known !== undefined) return known
    const queue = createQueue<Due>(mostWaiting, run, ({ notification: old }) => {
      const text = `(${subjectOf(old)}) notify scripts are too slow: left out ${changeText(old)}`
      bounded('warn', `left-out ${row}`, changeFields(old), text)
    })
    queues.set(row, queue)
    return queue
  }
  const receiverOf = (webhook: WebhookConfig): Receiver => {
    const gone = new AbortController()
    const shown = webhookName(webhook)
    const send = async (notification: Notification): Promise<void> => {
      const { ok, text } = await deliver(webhook, notification, gone.signal)
      const fields = { webhook: shown, ...changeFields(notification) }
      const said = `(${subjectOf(notification)}) webhook ${shown} ${ok ? text : `failed (${text})`}`
      bounded(ok ? 'debug' : 'warn', `webhook ${ok} ${shown}`, fields, said)
    }
    const queue = createQueue<Notification>(mostDeliveries, send, (old) => {
      const text = `(${subjectOf(old)}) webhook ${shown} is too slow: left out ${changeText(old)}`
      bounded('warn', `left-out ${shown}`, { webhook: shown }, text)
    })
    return { webhook, queue, gone }
  }
  return {
    tell: (notification, scripts) => {
      if (isStopped) return
      if (scripts.length > 0) queueOf(notification).add({ notification, scripts })
      for (const { queue } of receivers) queue.add(notification)
    },
    follow: (webhooks) => {
      const kept = receivers.filter(({ webhook }) => webhooks.some((one) => isDeepStrictEqual(one, webhook)))
      for (const receiver of receivers) {
        if (kept.includes(receiver)) continue
        leaving.add(receiver)
        void receiver.queue.idle().then(() => leaving.delete(receiver))
      }
      receivers = webhooks.map(
        (webhook) => kept.find((receiver) => isDeepStrictEqual(receiver.webhook, webhook)) ?? receiverOf(webhook),
      )
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

const after = (limit: number): Promise<void> => sleep(limit, undefined, { ref: false })
