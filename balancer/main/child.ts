// What every child process does: take its configuration from the supervisor, run, and end when told or when orphaned.

import type { Logger } from 'pino'
import type { BalancerConfig } from '../config/schema.ts'
import { FailedStart } from '../core/failed-start.ts'
import { openLog } from '../log.ts'
import type { Fact } from '../pool/core/facts.ts'
import type { ProcessRole } from '../supervisor/core/processes.ts'
import { type FromChild, parseToChild, type ReloadResult, type ToChild } from '../supervisor/messages.ts'

/** What a child is started with. `requestReload` has the supervisor read the configuration again and tells what came of it. */
export type Assignment = Extract<ToChild, { type: 'configure' }> & {
  readonly log: Logger
  readonly publish: (fact: Fact) => void
  readonly requestReload: () => Promise<ReloadResult>
}

/**
 * The work of a child. `reconfigure` applies the difference to a new configuration and says what changed, a line each; it
 * throws `FailedStart` and changes nothing when it cannot.
 */
export type Work = {
  readonly onFact: (fact: Fact) => void
  readonly reconfigure: (config: BalancerConfig) => Promise<readonly string[]> | readonly string[]
  readonly stop: () => Promise<void> | void
}

/** Refuses a reload of what this version can only change by a restart. */
export const refuseForNow = (what: string): never => {
  throw new FailedStart(`this version changes ${what} only with a restart: systemctl restart balancer`)
}

/** Runs a child process from its first message to its exit. */
export const runChild = (role: ProcessRole, begin: (assignment: Assignment) => Promise<Work>): void => {
  process.title = `balancer: ${role}`
  // The parent decides when its children end: a Ctrl-C reaches the whole terminal group.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {})

  const { log, close } = openLog(role, 'info')
  let work: Promise<Work> | undefined
  const send = (message: FromChild): void => {
    // A parent that just died is no error here: the closed channel says it.
    if (process.connected) process.send?.(message, () => {})
  }
  const exit = (code: number): void => {
    void close().then(() => process.exit(code))
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
      exit(1)
      return
    }
    log.fatal({ err: error }, `Process ${role} failed`)
    exit(1)
  }

  const reloads: ((result: ReloadResult) => void)[] = []
  const requestReload = (): Promise<ReloadResult> => {
    send({ type: 'reload-requested' })
    return new Promise((resolve) => reloads.push(resolve))
  }
  const reconfigure = async (config: BalancerConfig): Promise<ReloadResult> => {
    try {
      const running = await work
      const lines = (await running?.reconfigure(config)) ?? []
      log.level = config.log.level
      return { ok: true, lines }
    } catch (error) {
      if (!(error instanceof FailedStart)) throw error
      return { ok: false, lines: [error.message] }
    }
  }

  process.on('message', (received) => {
    const message = parseToChild(received)
    switch (message?.type) {
      case 'configure':
        log.level = message.config.log.level
        work = begin({ ...message, log, publish: (fact) => send({ type: 'fact', fact }), requestReload })
        work.then(() => send({ type: 'ready' }), failed)
        return
      case 'fact':
        void work?.then((running) => running.onFact(message.fact))
        return
      case 'reconfigure':
        reconfigure(message.config).then((result) => send({ type: 'reconfigured', result }), failed)
        return
      case 'reloaded':
        reloads.shift()?.(message.result)
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
