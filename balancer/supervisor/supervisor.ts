// The parent process: starts the children, passes facts between them, and stops them in the order that serves clients.

import type { Logger } from 'pino'
import type { BalancerConfig } from '../config/schema.ts'
import { holdsSessions } from '../core/forwarders.ts'
import type { Millis } from '../core/time.ts'
import { monotonicNow } from '../os/clock.ts'
import type { ListeningHandle } from '../os/listening-handle.ts'
import { outlineOf } from '../pool/core/draining.ts'
import type { Fact, HostFact, VirtualRouterFact } from '../pool/core/facts.ts'
import { subjectOf } from '../pool/core/pool.ts'
import { version } from '../version.ts'
import { createAbsence, type Farewell } from './absence.ts'
import { createApplying } from './applying.ts'
import { superviseProcess } from './child-process.ts'
import { createChildren } from './children.ts'
import { isForKeepers, isLasting } from './core/other-programs.ts'
import { hearersOf, isMaster, isOfProcess, neededRoles, type ProcessRole, resumptions } from './core/processes.ts'
import { statusText } from './core/status-text.ts'
import { foundGenerations, type Generations, joinGenerations } from './generations.ts'
import { type Keeper, keepSessions } from './keeper.ts'
import type { FromChild, ReloadResult, ToChild } from './messages.ts'
import { watchOwnStalls } from './own-stalls.ts'
import { warnUnconfined } from './privileges.ts'
import { createReexec } from './reexec.ts'
import { createReloader } from './reload.ts'
import { createRouterOrders } from './router-orders.ts'
import { startServiceManager } from './service-manager.ts'
import { createSessionLists } from './session-lists.ts'
import { createSessionOrders } from './session-orders.ts'
import { createSuccessor } from './successor.ts'

/** How a balancer ended: 0 after a stop, 1 when it could not start. */
export type ExitCode = 0 | 1

/** A running balancer. `reload` applies the file as it is now; `ended` settles when all children are gone. */
export type Supervisor = {
  readonly reload: () => Promise<ReloadResult>
  /** Stops everything, the address first. `code` is what `ended` settles with. */
  readonly stop: (reason: string, code?: ExitCode) => void
  /** The virtual routers that run here; none when another program has taken over. */
  readonly routers: () => BalancerConfig['vrrp']['instances']
  /** Tells the others what was found here. */
  readonly hear: (fact: HostFact) => void
  readonly ended: Promise<ExitCode>
}

const changedOnDisk = `The program on disk was changed while this one, version ${version}, runs`

export type SupervisorOptions = {
  readonly file: string
  /** The configuration that was read from it, and its text. */
  readonly running: BalancerConfig
  readonly text: string
  readonly log: Logger
  /** Has the log of this process follow another configuration. */
  readonly configureLog: (config: BalancerConfig['log']) => void
  readonly farewellReady: Promise<Farewell>
  /** Alone, or to take the place of a program that runs. */
  readonly joinAs: 'founder' | 'successor'
}

/** Starts the processes of a balancer. */
export const startSupervisor = (options: SupervisorOptions): Supervisor => {
  const { file, running, text, log, configureLog, farewellReady, joinAs } = options
  const facts = new Map<string, Fact>()
  const notReady = new Set<ProcessRole>(neededRoles(running))
  let beginVrrp = (): void => {}
  const othersReady = new Promise<void>((resolve) => {
    beginVrrp = resolve
  })
  let stopping: ExitCode | undefined
  let end: (code: ExitCode) => void = () => {}
  const ended = new Promise<ExitCode>((resolve) => {
    end = resolve
  })

  const children = createChildren({
    supervise: (role, mayBegin) =>
      superviseProcess({
        role,
        log,
        mayBegin,
        configure,
        onMessage: (message, handle) => onMessage(role, message, handle),
        isRestarted: () => successor?.isConfirmed() !== false && !children.isAwaited(role),
        onLost: (reason) => {
          children.failed(role, `it died (${reason})`)
          successor?.give(`its process ${role} died (${reason})`)
        },
        onDeath: (diedAt, delay) => onDeath(role, diedAt, delay),
        onMisfit: () => onMisfit(role),
      }),
    onEnded: (role) => {
      manager.forget(role)
      for (const [subject, fact] of facts) if (isOfProcess(fact, role)) facts.delete(subject)
    },
  })
  const { send, begin } = children
  const applying = createApplying(send)
  const reloader = createReloader({ file, running, text, log, apply: applying.apply, begin, end: children.end })
  const manager = startServiceManager(
    notReady,
    () => statusText(reloader.config(), [...facts.values()]),
    (told) => generations.post('root', { type: 'service', text: told }),
  )

  // A supervisor that was itself suspended learns of a death too late to let anybody go on as master.
  const stalls = watchOwnStalls()

  const configure = (diedAt: Millis | null): ToChild => ({
    type: 'configure',
    version,
    config: reloader.config(),
    resume: diedAt === null || stalls.wasStalledAt(diedAt) ? [] : resumptions([...facts.values()], diedAt),
    facts: [...facts.values()],
    succeeds: diedAt === null && successor?.isConfirmed() === false,
  })

  const orders = createRouterOrders(send)
  const sessionOrders = createSessionOrders({
    send,
    post: (message) => generations.post('keepers', message),
    config: reloader.config,
    draining: () => [...facts.values()].filter((fact) => fact.fact === 'draining'),
    obstacle: () => {
      if (keeper !== null) return handedOver
      const isBusy = reloader.isBusy() || successor?.isConfirmed() === false
      return isBusy ? 'a reload, or another program that takes over, is under way; try again after it' : null
    },
  })
  const sessionLists = createSessionLists({ send, config: reloader.config })

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
    applying.died(role)
    reexec.fail(`the process ${role} of the running program died meanwhile`)
    orders.died(role)
    sessionOrders.died(role)
    sessionLists.died(role)
    if (role === 'vrrp' && !stalls.wasStalledAt(diedAt)) absence.begin(diedAt, delay)
  }

  const onMisfit = (role: ProcessRole): void => {
    const text = `${changedOnDisk}, and process ${role} cannot begin`
    if (children.isAwaited(role)) {
      children.failed(role, `${text}; have it take over first: balancer reexec`)
    } else if (successor?.isConfirmed() === false) {
      successor.give(`its process ${role} is of another version`)
    } else {
      // Without this process nothing here is served for long, and only a new supervisor can start it.
      log.fatal({ child: role }, `${text}. Stopping, to be started anew`)
      void stopAll(1)
    }
  }

  const stopAll = async (code: ExitCode): Promise<void> => {
    if (stopping !== undefined) return
    stopping = code
    reexec.fail('the balancer is stopping')
    manager.stopping()
    children.letDie('the balancer is stopping')
    applying.end('the balancer is stopping')
    // The address goes first, so that the peer takes over while the sessions here can still end.
    const isClean = await children.get('vrrp')?.stop()
    if (isClean) absence.end()
    else await absence.conclude()
    for (const role of children.roles()) if (role !== 'vrrp') await children.get(role)?.stop()
    stalls.stop()
    manager.end()
    log.info('Balancer stopped')
    end(code)
  }

  const hear = (fact: Fact): void => {
    if (fact.fact === 'draining' && fact.isOver) {
      facts.delete(subjectOf(fact))
      sessionOrders.drained(fact.worker)
    } else facts.set(subjectOf(fact), fact)
    if (isForKeepers(fact)) generations.post('keepers', { type: 'fact', fact })
    if (fact.fact === 'virtual-router' || fact.fact === 'server-health') manager.changed()
    for (const hearer of hearersOf(fact)) send(hearer, { type: 'fact', fact })
  }
  const onMessage = (role: ProcessRole, message: FromChild, handle: ListeningHandle): void => {
    // The last words of one that was ended.
    if (children.get(role) === undefined) return
    for (const watcher of [manager, applying]) watcher.heard(role)
    successor?.heard(role, message)
    switch (message.type) {
      case 'alive':
      case 'prepared':
        return
      case 'ready':
        if (role === 'vrrp') absence.end()
        hear({ fact: 'process', process: role, running: true, at: monotonicNow() })
        children.begun(role)
        if (!notReady.delete(role)) return
        if (notReady.size === 1) beginVrrp()
        if (notReady.size === 0 && successor?.isConfirmed() !== false) isRunning()
        return
      case 'fact':
        hear(message.fact)
        if (message.fact.fact === 'listener') keeper?.heard(message.fact)
        return
      case 'failed-start':
        if (successor?.isConfirmed() === false) {
          successor.give(message.text)
        } else if (children.isAwaited(role)) {
          children.failed(role, message.text)
        } else if (notReady.has(role)) {
          log.fatal({ child: role }, message.text)
          void stopAll(1)
        } else {
          // It ran before, so this may pass: it is tried again like after any other death.
          log.error({ child: role }, message.text)
        }
        return
      case 'reload-requested':
        void reload().then((result) => send(role, { type: 'reloaded', id: message.id, result }))
        return
      case 'reexec-requested':
        void replace().then((result) => send(role, { type: 'reloaded', id: message.id, result }))
        return
      case 'handle':
      case 'handed-over':
      case 'stepped-aside':
        reexec.heard(role, message, handle)
        return
      case 'reconfigured':
        applying.answer(role, message.id, message.result)
        return
      case 'router-order':
        orders.pass(role, message.id, message.instance, message.order)
        return
      case 'router-ordered':
        orders.answer(message.id, message.result)
        return
      case 'session-order':
        sessionOrders.pass(role, message.id, message.end)
        return
      case 'sessions-ended':
        if (keeper !== null) keeper.ended(message.id, message.result)
        else sessionOrders.answer(role, message.id, message.result)
        return
      case 'sessions-asked':
        sessionLists.pass(role, message.id)
        return
      case 'sessions-listed':
        sessionLists.answer(role, message.id, message.list)
        return
      default:
        message satisfies never
    }
  }

  warnUnconfined(log)
  const isRunning = (): void => {
    log.info({ router: running.router_id }, 'Balancer is running')
    manager.ready()
  }
  const outline = (): void =>
    generations.post('keepers', { type: 'outline', listeners: [...outlineOf(reloader.config().listeners)] })
  const reload = async (): Promise<ReloadResult> => {
    const result = await reloader.reload()
    configureLog(reloader.config().log)
    outline()
    return result
  }

  /** The sessions that are left here, when another program has taken over. */
  let keeper: Keeper | null = null
  const retire = (): string => {
    manager.end()
    stalls.stop()
    children.letDie(handedOver)
    applying.end(handedOver)
    const until = Date.now() + reloader.config().hard_stop_after
    const roles = children.roles()
    const goodbyes = roles
      .filter((role) => !holdsSessions(role))
      .map((role) => children.get(role)?.retire(Date.now() + longestGoodbye))
    const holder = roles.find(holdsSessions)
    const worker = holder && children.get(holder)
    const known = [...facts.values()].flatMap((fact) => (fact.fact === 'listener' ? [fact] : []))
    const kept = keepSessions({ worker, known, until, post: (message) => generations.post('active', message) })
    keeper = kept
    void Promise.all([kept.over, ...goodbyes]).then(async () => {
      log.info('The last session of this program is over')
      generations.post('root', { type: 'drained' })
      end((await generations.finished()) === 0 ? 0 : 1)
    })
    const sessions = kept.sessions()
    if (worker === undefined || sessions === 0) return 'No session is left in the old one.'
    return `${sessions} session(s) go on in process ${worker.pid()}, until ${new Date(until).toISOString()} at the latest.`
  }
  const reexec = createReexec({
    file,
    text: reloader.text,
    log,
    facts: () => [...facts.values()],
    roles: children.roles,
    send,
    post: (to, message, handle) => generations.post(to, message, handle),
    retire,
  })
  const replace = (): Promise<ReloadResult> => {
    if (keeper !== null) return refused(handedOver)
    if (reexec.isUnderWay()) return refused('another program is taking over already')
    if (notReady.size > 0) return refused('the balancer is still starting; try again')
    return reloader.alone(() => {
      if (stopping !== undefined || keeper !== null) return refused(handedOver)
      return reexec.begin()
    })
  }

  const successor =
    joinAs === 'founder'
      ? null
      : createSuccessor({
          roles: neededRoles(running),
          // Who has clients already keeps them to their end.
          pids: () =>
            children.roles().flatMap((role) => (holdsSessions(role) ? [] : (children.get(role)?.pid() ?? []))),
          send,
          post: (message) => generations.post('active', message),
          learn: (known) => {
            for (const fact of known) if (isLasting(fact)) facts.set(subjectOf(fact), fact)
          },
          onConfirmed: () => {
            isRunning()
            outline()
          },
          onRefused: () => end(1),
        })
  const generations: Generations = (joinAs === 'founder' ? foundGenerations : joinGenerations)({
    log,
    onMessage: (_, message, handle) => {
      if (keeper !== null) return keeper.told(message)
      if (message.type === 'fact') hear(message.fact)
      if (message.type === 'sessions-ended') sessionOrders.answer(message.worker, message.id, message.result)
      successor?.told(message, handle)
      reexec.told(message)
    },
    onOrphaned: () => {
      if (keeper !== null) keeper.told({ type: 'stop' })
      // The children end without a word: the other program may be alive.
      else if (successor?.isConfirmed() === false) end(1)
      else {
        log.error('The process that waits for this one is gone, stopping')
        void stopAll(1)
      }
    },
  })

  // A second balancer on this host finds the first one's ports taken, and must not touch its addresses before that.
  for (const role of neededRoles(running)) {
    children.start(role, successor?.mayBegin ?? (role === 'vrrp' ? othersReady : Promise.resolve()))
  }
  return {
    reload: () => {
      if (keeper === null) return reload()
      generations.signal('SIGHUP')
      return refused(handedOver)
    },
    stop: (reason, code = 0) => {
      if (keeper !== null) return generations.signal('SIGTERM')
      log.info({ reason }, `Stopping (${reason})`)
      void stopAll(code)
    },
    routers: () => (children.get('vrrp') === undefined ? [] : reloader.config().vrrp.instances),
    hear,
    ended,
  }
}

const handedOver = 'another program has taken over; ask again'
/** For the answers that are under way, and notifications. */
const longestGoodbye = 5000
const refused = async (line: string): Promise<ReloadResult> => ({ ok: false, lines: [line] })
