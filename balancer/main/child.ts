// What every child process does: take its configuration from the supervisor, run, and end when told or when orphaned.

import type { Logger } from 'pino'
import { FailedStart } from '../core/failed-start.ts'
import { openLog } from '../log.ts'
import type { Fact } from '../pool/core/facts.ts'
import type { ProcessRole } from '../supervisor/core/processes.ts'
import { type FromChild, parseToChild, type ToChild } from '../supervisor/messages.ts'

/** What a child is started with. */
export type Assignment = Extract<ToChild, { type: 'configure' }> & {
  readonly log: Logger
  readonly publish: (fact: Fact) => void
}

/** The work of a child: hears facts, and stops cleanly. */
export type Work = { readonly onFact: (fact: Fact) => void; readonly stop: () => Promise<void> | void }

/** Runs a child process from its first message to its exit. */
export const runChild = (role: ProcessRole, begin: (assignment: Assignment) => Promise<Work>): void => {
  process.title = `balancer: ${role}`
  // The parent decides when its children end: a Ctrl-C reaches the whole terminal group.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {})

  const { log, flush } = openLog(role, 'info')
  let work: Promise<Work> | undefined
  const send = (message: FromChild): void => {
    if (process.connected) process.send?.(message)
  }
  const exit = (code: number): never => {
    flush()
    process.exit(code)
  }
  const stop = async (): Promise<void> => {
    // A start that failed has been reported already, and left nothing to stop.
    const running = await work?.catch(() => undefined)
    await running?.stop()
    exit(0)
  }
  const failed = (error: unknown): void => {
    if (error instanceof FailedStart) {
      send({ type: 'failed-start', text: error.message })
      return
    }
    log.fatal({ err: error }, `Process ${role} failed`)
    exit(1)
  }

  process.on('message', (received) => {
    const message = parseToChild(received)
    switch (message?.type) {
      case 'configure':
        log.level = message.config.log.level
        work = begin({ ...message, log, publish: (fact) => send({ type: 'fact', fact }) })
        work.then(() => send({ type: 'ready' }), failed)
        return
      case 'fact':
        void work?.then((running) => running.onFact(message.fact))
        return
      case 'stop':
        stop().catch(failed)
        return
      case undefined:
        log.error({ received }, 'The supervisor sent a message nobody knows')
        return
      default:
        message satisfies never
    }
  })
  process.once('disconnect', () => {
    log.error('The supervisor is gone, stopping')
    stop().catch(failed)
  })
  process.on('uncaughtException', failed)
  process.on('unhandledRejection', failed)
}
