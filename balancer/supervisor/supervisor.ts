// The parent process: starts the children, passes facts between them, and stops them in the order that serves clients.

import type { Logger } from 'pino'
import type { BalancerConfig } from '../config/schema.ts'
import type { Millis } from '../core/time.ts'
import { monotonicNow } from '../os/clock.ts'
import type { Fact, VirtualRouterFact } from '../pool/core/facts.ts'
import { subjectOf } from '../pool/core/pool.ts'
import { version } from '../version.ts'
import { createAbsence } from './absence.ts'
import { type SupervisedProcess, superviseProcess } from './child-process.ts'
import { applyLimit, hearersOf, isMaster, type ProcessRole, processRoles, resumptions } from './core/processes.ts'
import { statusText } from './core/status-text.ts'
import type { FromChild, ReloadResult, ToChild } from './messages.ts'
import { watchOwnStalls } from './own-stalls.ts'
import { warnUnconfined } from './privileges.ts'
import { createReloader } from './reload.ts'
import { createRouterOrders } from './router-orders.ts'
import { startServiceManager } from './service-manager.ts'

/** How a balancer ended: 0 after a stop, 1 when it could not start. */
export type ExitCode = 0 | 1

/** A running balancer. `reload` applies the file as it is now; `ended` settles when all children are gone. */
export type Supervisor = {
  readonly reload: () => Promise<ReloadResult>
  /** Stops everything, the address first. `code` is what `ended` settles with. */
  readonly stop: (reason: string, code?: ExitCode) => void
  readonly ended: Promise<ExitCode>
}

/**
 * Tells the other routers that the instances of these facts, master here until their process died, are masters no more, and
 * takes their addresses away; unless `back` says that their process is here again.
 */
export type Farewell = (
  config: BalancerConfig,
  masters: readonly VirtualRouterFact[],
  log: Logger,
  back: AbortSignal,
) => Promise<void>

const changedOnDisk = `The program on disk was changed while this one, version ${version}, runs`

/** Starts the processes of a balancer with a configuration that was read from `file`. */
export const startSupervisor = (
  file: string,
  running: BalancerConfig,
  log: Logger,
  farewellReady: Promise<Farewell>,
): Supervisor => {
  const facts = new Map<string, Fact>()
  const processes = new Map<ProcessRole, SupervisedProcess>()
  const notReady = new Set<ProcessRole>(processRoles)
  let beginVrrp = (): void => {}
  const othersReady = new Promise<void>((resolve) => {
    beginVrrp = resolve
  })
  let stopping: ExitCode | undefined
  const send = (role: ProcessRole, message: ToChild): boolean => processes.get(role)?.send(message) ?? false
  let end: (code: ExitCode) => void = () => {}
  const ended = new Promise<ExitCode>((resolve) => {
    end = resolve
  })

  /** By a number: the answer of a process that was late must not pass for that to a later question. */
  const applying = new Map<ProcessRole, { readonly id: number; readonly settle: (result: ReloadResult) => void }>()
  let lastApplied = 0
  const apply = (role: ProcessRole, config: BalancerConfig): Promise<ReloadResult> =>
    new Promise((resolve) => {
      if (stopping !== undefined) {
        resolve({ ok: false, lines: ['the balancer is stopping'] })
        return
      }
      const settle = (result: ReloadResult): void => {
        clearTimeout(limit)
        applying.delete(role)
        resolve(result)
      }
      const late = `the process ${role} did not apply it within ${applyLimit / 1000} s`
      const limit = setTimeout(() => settle({ ok: false, lines: [late] }), applyLimit)
      lastApplied += 1
      const id = lastApplied
      applying.set(role, { id, settle })
      const isTaken = send(role, { type: 'reconfigure', id, config })
      if (!isTaken) settle({ ok: false, lines: [`the process ${role} is not running just now; try again`] })
    })
  const reloader = createReloader({ file, running, log, apply })
  const manager = startServiceManager(() => statusText(reloader.config(), [...facts.values()]))

  // A supervisor that was itself suspended learns of a death too late to let anybody go on as master.
  const stalls = watchOwnStalls()

  const configure = (diedAt: Millis | null): ToChild => ({
    type: 'configure',
    version,
    config: reloader.config(),
    resume: diedAt === null || stalls.wasStalledAt(diedAt) ? [] : resumptions([...facts.values()], diedAt),
    facts: [...facts.values()],
  })

  const orders = createRouterOrders(send)

  /** Nobody else tells the status page that an instance, whose process is dead, is master no more. */
  const forgetMaster = (fact: VirtualRouterFact): void => {
    if (facts.get(subjectOf(fact)) !== fact) return
    hear({ ...fact, state: 'init', since: Date.now(), reason: 'its process is gone, and its addresses with it' })
  }

  const absence = createAbsence({
    masters: () => [...facts.values()].filter(isMaster),
    handOver: async (masters, back) => {
      try {
        const sayFarewell = await farewellReady
        await sayFarewell(reloader.config(), masters, log, back)
        if (!back.aborted) masters.forEach(forgetMaster)
      } catch (error) {
        log.error({ err: error }, 'The peers could not be told that the vrrp process is gone')
      }
    },
  })
  const onDeath = (role: ProcessRole, diedAt: Millis, delay: Millis): void => {
    hear({ fact: 'process', process: role, running: false, at: diedAt })
    reloader.died(role)
    applying.get(role)?.settle({ ok: false, lines: [`the process ${role} died while it applied it`] })
    orders.died(role)
    if (role === 'vrrp' && !stalls.wasStalledAt(diedAt)) absence.begin(diedAt, delay)
  }

  const stopAll = async (code: ExitCode): Promise<void> => {
    if (stopping !== undefined) return
    stopping = code
    manager.stopping()
    for (const supervised of processes.values()) supervised.letDie()
    for (const { settle } of applying.values()) settle({ ok: false, lines: ['the balancer is stopping'] })
    // The address goes first, so that the peer takes over while the sessions here can still end.
    const isClean = await processes.get('vrrp')?.stop()
    if (isClean) absence.end()
    else await absence.conclude()
    for (const role of ['proxy', 'director'] as const) await processes.get(role)?.stop()
    stalls.stop()
    manager.end()
    log.info('Balancer stopped')
    end(code)
  }

  const hear = (fact: Fact): void => {
    facts.set(subjectOf(fact), fact)
    if (fact.fact === 'virtual-router' || fact.fact === 'server-health') manager.changed()
    for (const hearer of hearersOf(fact)) send(hearer, { type: 'fact', fact })
  }
  const onMessage = (role: ProcessRole, message: FromChild): void => {
    manager.heard(role)
    switch (message.type) {
      case 'alive':
        return
      case 'ready':
        if (role === 'vrrp') absence.end()
        hear({ fact: 'process', process: role, running: true, at: monotonicNow() })
        if (!notReady.delete(role)) return
        if (notReady.size === 1) beginVrrp()
        if (notReady.size > 0) return
        log.info({ router: running.router_id }, 'Balancer is running')
        manager.ready()
        return
      case 'fact':
        hear(message.fact)
        return
      case 'failed-start':
        if (notReady.has(role)) {
          log.fatal({ child: role }, message.text)
          void stopAll(1)
        } else {
          // It ran before, so this may pass: it is tried again like after any other death.
          log.error({ child: role }, message.text)
        }
        return
      case 'reload-requested':
        void reloader.reload().then((result) => send(role, { type: 'reloaded', id: message.id, result }))
        return
      case 'reconfigured': {
        const asked = applying.get(role)
        if (asked?.id === message.id) asked.settle(message.result)
        return
      }
      case 'router-order':
        orders.pass(role, message.id, message.instance, message.order)
        return
      case 'router-ordered':
        orders.answer(message.id, message.result)
        return
      default:
        message satisfies never
    }
  }

  warnUnconfined(log)
  // A second balancer on this host finds the first one's ports taken, and must not touch its addresses before that.
  for (const role of processRoles) {
    const supervised = superviseProcess({
      role,
      log,
      mayBegin: role === 'vrrp' ? othersReady : Promise.resolve(),
      configure,
      onMessage: (message) => onMessage(role, message),
      onDeath: (diedAt, delay) => onDeath(role, diedAt, delay),
      onMisfit: () => {
        // Without this process nothing here is served for long, and only a new supervisor can start it.
        log.fatal({ child: role }, `${changedOnDisk}, and process ${role} cannot begin. Stopping, to be started anew`)
        void stopAll(1)
      },
    })
    processes.set(role, supervised)
  }
  return {
    reload: reloader.reload,
    stop: (reason, code = 0) => {
      log.info({ reason }, `Stopping (${reason})`)
      void stopAll(code)
    },
    ended,
  }
}
