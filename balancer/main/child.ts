// What every child process does: take its configuration from the supervisor, run, and end when told or when orphaned.

import { randomUUID } from 'node:crypto'
import type { Logger } from 'pino'
import type { BalancerConfig } from '../config/schema.ts'
import { FailedStart } from '../core/failed-start.ts'
import { openLog } from '../log.ts'
import type { Fact } from '../pool/core/facts.ts'
import { exitMisfit, type ProcessRole } from '../supervisor/core/processes.ts'
import {
  type FromChild,
  parseToChild,
  type ReloadResult,
  type RouterOrder,
  type ToChild,
  versionIn,
} from '../supervisor/messages.ts'
import { version } from '../version.ts'

/**
 * What a child is started with. `requestReload` has the supervisor read the configuration again, `orderRouter` has the vrrp
 * process carry out an order; both tell what came of it.
 */
export type Assignment = Extract<ToChild, { type: 'configure' }> & {
  readonly log: Logger
  readonly publish: (fact: Fact) => void
  readonly requestReload: () => Promise<ReloadResult>
  readonly orderRouter: (instance: string, order: RouterOrder) => Promise<ReloadResult>
}

/**
 * The work of a child. `reconfigure` applies the difference to a new configuration and says what changed, a line each; it
 * throws `FailedStart` and changes nothing when it cannot. `order` is for the process that has the VRRP instances. `outlive`
 * resolves when the work of a process whose supervisor died is no longer needed.
 */
export type Work = {
  readonly onFact: (fact: Fact) => void
  readonly reconfigure: (config: BalancerConfig) => Promise<readonly string[]> | readonly string[]
  readonly order?: (instance: string, order: RouterOrder) => Promise<ReloadResult>
  readonly outlive?: () => Promise<void>
  readonly stop: () => Promise<void> | void
}

const aliveInterval = 1000

/** Runs a child process from its first message to its exit. */
export const runChild = (role: ProcessRole, begin: (assignment: Assignment) => Promise<Work>): void => {
  process.title = `balancer: ${role}`
  // The parent decides when its children end: a Ctrl-C reaches the whole terminal group.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {})

  const { log, exit: exitWith } = openLog(role, 'info')
  let work: Promise<Work> | undefined
  const send = (message: FromChild): void => {
    // A parent that just died is no error here: the closed channel says it.
    if (process.connected) process.send?.(message, () => {})
  }
  const exit = (code: number): void => {
    void exitWith(code)
  }
  setInterval(() => send({ type: 'alive' }), aliveInterval).unref()
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

  const reloads = new Map<string, (result: ReloadResult) => void>()
  const requestReload = (): Promise<ReloadResult> => {
    // What the process before this one asked for may still be answered: a number would be the same again.
    const id = randomUUID()
    send({ type: 'reload-requested', id })
    return new Promise((resolve) => reloads.set(id, resolve))
  }
  const orders = new Map<number, (result: ReloadResult) => void>()
  let lastOrder = 0
  const orderRouter = (instance: string, order: RouterOrder): Promise<ReloadResult> => {
    lastOrder += 1
    const id = lastOrder
    send({ type: 'router-order', id, instance, order })
    return new Promise((resolve) => orders.set(id, resolve))
  }
  const carryOut = async (instance: string, order: RouterOrder): Promise<ReloadResult> => {
    const running = await work
    return (await running?.order?.(instance, order)) ?? { ok: false, lines: [`${role} takes no orders`] }
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

  let applied: Promise<void> = Promise.resolve()
  /** One after another: who was late may find the new configuration waiting, and behind it the one to go back to. */
  const applyNext = (id: number, config: BalancerConfig): void => {
    applied = applied
      .then(() => reconfigure(config))
      .then((result) => send({ type: 'reconfigured', id, result }))
      .catch(failed)
  }

  const misfit = (text: string): void => {
    log.fatal(`${text}. The program on disk was changed while the balancer ran: systemctl restart balancer`)
    exit(exitMisfit)
  }
  process.on('message', (received) => {
    const read = parseToChild(received)
    const other = versionIn(received)
    if (other !== undefined && other !== version) {
      return misfit(`Process ${role} is of version ${version}, its supervisor of ${other}`)
    }
    if (other !== undefined && !read.ok) {
      return misfit(`Process ${role} does not understand its supervisor (${read.text})`)
    }
    if (!read.ok) {
      log.error(`The supervisor sent a message that is not understood (${read.text})`)
      return
    }
    const { message } = read
    switch (message.type) {
      case 'configure':
        log.level = message.config.log.level
        work = begin({ ...message, log, publish: (fact) => send({ type: 'fact', fact }), requestReload, orderRouter })
        work.then(() => send({ type: 'ready' }), failed)
        return
      case 'fact':
        // A start that failed has been reported already.
        void work?.then(
          (running) => running.onFact(message.fact),
          () => {},
        )
        return
      case 'reconfigure':
        applyNext(message.id, message.config)
        return
      case 'reloaded':
        reloads.get(message.id)?.(message.result)
        reloads.delete(message.id)
        return
      case 'router-order': {
        const { id, instance, order } = message
        carryOut(instance, order).then((result) => send({ type: 'router-ordered', id, result }), failed)
        return
      }
      case 'router-ordered':
        orders.get(message.id)?.(message.result)
        orders.delete(message.id)
        return
      case 'stop':
        stop().catch(failed)
        return
      default:
        message satisfies never
    }
  })
  process.once('disconnect', () => {
    log.error('The supervisor is gone, stopping')
    const outlive = async (): Promise<void> => {
      const running = await work?.catch(() => undefined)
      await running?.outlive?.()
      await stop()
    }
    outlive().catch(failed)
  })
  process.on('uncaughtException', failed)
  process.on('unhandledRejection', failed)
}
