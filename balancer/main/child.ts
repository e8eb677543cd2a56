// What every child process does: take its configuration from the supervisor, run, and end when told or when orphaned.

import { randomUUID } from 'node:crypto'
import { setTimeout as wait } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { BalancerConfig } from '../config/schema.ts'
import { FailedStart } from '../core/failed-start.ts'
import { openLog, type ProcessLog } from '../log.ts'
import { callExit } from '../os/libc.ts'
import { closeHandle, type ListeningHandle } from '../os/listening-handle.ts'
import type { Outline } from '../pool/core/draining.ts'
import type { Fact } from '../pool/core/facts.ts'
import type { SessionList } from '../pool/core/session-list.ts'
import type { SessionsEnded, SessionsToEnd } from '../pool/core/session-order.ts'
import { exitMisfit, leavesItsWork, type ProcessRole } from '../supervisor/core/processes.ts'
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
 * process carry out an order, `endSessions` has the forwarders do so, `listSessions` asks them for theirs, `requestReexec` has the program on disk take over; all tell what came of it. Where the program
 * before this one still runs, `inherit` takes what that listens on at an address and port, and `lead` says that all is prepared
 * and waits until the other one has stepped aside.
 */
export type Assignment = Extract<ToChild, { type: 'configure' }> & {
  readonly log: Logger
  readonly logSession: ProcessLog['session']
  readonly logRequest: ProcessLog['request']
  readonly onSyslogTrouble: ProcessLog['onSyslogTrouble']
  readonly publish: (fact: Fact) => void
  /** From now on this is called for what other processes say, and at once for what they said since the start. */
  readonly onFact: (listener: (fact: Fact) => void) => void
  readonly requestReload: () => Promise<ReloadResult>
  readonly requestReexec: () => Promise<ReloadResult>
  readonly inherit: (endpoint: string) => ListeningHandle
  readonly lead: () => Promise<Lead>
  readonly orderRouter: (instance: string, order: RouterOrder) => Promise<ReloadResult>
  readonly endSessions: (end: SessionsToEnd) => Promise<SessionsEnded>
  readonly listSessions: () => Promise<SessionList>
}

/** What the vrrp process of another program was, when it stepped aside. */
export type Lead = Pick<Extract<ToChild, { type: 'lead' }>, 'facts' | 'resume'>

/**
 * The work of a child. `reconfigure` applies the difference to a new configuration and says what changed, a line each; it
 * throws `FailedStart` and changes nothing when it cannot. `order` is for the process that has the VRRP instances, `endSessions` for forwarders. `outlive`
 * resolves when the work of a process whose supervisor died is no longer needed. The rest is for a program that takes the place
 * of this one: `handles` are the sockets to go on with, asked for before the other process begins; `stepAside` makes a pause in
 * which nothing is sent, and `goOn` says that the other program does not take over after all. `retire` resolves when what is left
 * is over; a process that leaves its work behind (`leavesItsWork`) has nothing left, and is not told to `stop` then.
 */
export type Work = {
  readonly reconfigure: (config: BalancerConfig) => Promise<readonly string[]> | readonly string[]
  readonly order?: (instance: string, order: RouterOrder) => Promise<ReloadResult>
  readonly endSessions?: (end: SessionsToEnd) => Promise<SessionsEnded>
  readonly listSessions?: () => Promise<SessionList>
  readonly outlive?: () => Promise<void>
  readonly handles?: () => ReadonlyMap<string, ListeningHandle>
  readonly stepAside?: () => Promise<void>
  readonly goOn?: () => void
  readonly retire?: () => Promise<void>
  readonly outline?: (listeners: Outline) => Promise<void>
  readonly stop: () => Promise<void> | void
}

const aliveInterval = 1000

/** Runs a child process from its first message to its exit. */
export const runChild = (role: ProcessRole, begin: (assignment: Assignment) => Promise<Work>): void => {
  process.title = `balancer: ${role}`
  // The parent decides when its children end: a Ctrl-C reaches the whole terminal group.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {})

  const opened = openLog(role)
  const { log, configure: configureLog, session: logSession, request: logRequest, exit: exitWith } = opened
  let work: Promise<Work> | undefined
  const send = (message: FromChild, handle?: ListeningHandle): void => {
    // A parent that just died is no error here: the closed channel says it.
    if (process.connected) process.send?.(message, handle, {}, () => {})
  }
  /** Of the process before this one, as long as nobody listens on them here. */
  const inherited = new Map<string, ListeningHandle>()
  const inherit = (endpoint: string): ListeningHandle => {
    const handle = inherited.get(endpoint)
    inherited.delete(endpoint)
    return handle
  }
  const unheard: Fact[] = []
  let hear = (fact: Fact): void => void unheard.push(fact)
  const onFact: Assignment['onFact'] = (listener) => {
    hear = listener
    for (const fact of unheard.splice(0)) listener(fact)
  }
  let onLead: (lead: Lead) => void = () => {}
  const lead = (): Promise<Lead> => {
    send({ type: 'prepared' })
    return new Promise((resolve) => {
      onLead = resolve
    })
  }
  /** The program before this one may still go on in its place. */
  let isOnProbation = false
  const exit = (code: number): void => {
    void exitWith(code)
  }
  setInterval(() => send({ type: 'alive' }), aliveInterval).unref()
  // All that it is made of is loaded.
  send({ type: 'alive' })
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
  const request = (type: 'reload-requested' | 'reexec-requested'): Promise<ReloadResult> => {
    // What the process before this one asked for may still be answered: a number would be the same again.
    const id = randomUUID()
    send({ type, id })
    return new Promise((resolve) => reloads.set(id, resolve))
  }
  const requestReload = () => request('reload-requested')
  const requestReexec = () => request('reexec-requested')
  const orders = new Map<number, (result: ReloadResult) => void>()
  let lastOrder = 0
  const orderRouter = (instance: string, order: RouterOrder): Promise<ReloadResult> => {
    lastOrder += 1
    const id = lastOrder
    send({ type: 'router-order', id, instance, order })
    return new Promise((resolve) => orders.set(id, resolve))
  }
  const sessionOrders = new Map<string, (result: SessionsEnded) => void>()
  const endSessions = (end: SessionsToEnd): Promise<SessionsEnded> => {
    const id = randomUUID()
    send({ type: 'session-order', id, end })
    return new Promise((resolve) => sessionOrders.set(id, resolve))
  }
  const sessionLists = new Map<string, (list: SessionList) => void>()
  const listSessions = (): Promise<SessionList> => {
    const id = randomUUID()
    send({ type: 'sessions-asked', id })
    return new Promise((resolve) => sessionLists.set(id, resolve))
  }
  const listOwnSessions = async (): Promise<SessionList> => {
    const starting = { sessions: [], left: 0, troubles: [`the process ${role} is just starting; try again`] }
    return (await (await work)?.listSessions?.()) ?? starting
  }
  const endOwnSessions = async (end: SessionsToEnd): Promise<SessionsEnded> => {
    const starting = { ended: [], troubles: [`the process ${role} is just starting; try again`] }
    return (await (await work)?.endSessions?.(end)) ?? starting
  }
  const carryOut = async (instance: string, order: RouterOrder): Promise<ReloadResult> => {
    const running = await work
    return (await running?.order?.(instance, order)) ?? { ok: false, lines: [`${role} takes no orders`] }
  }
  const reconfigure = async (config: BalancerConfig): Promise<ReloadResult> => {
    try {
      const running = await work
      const lines = (await running?.reconfigure(config)) ?? []
      configureLog(config.log)
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

  const handOver = async (): Promise<void> => {
    const running = await work
    for (const [name, handle] of running?.handles?.() ?? []) send({ type: 'handle', name }, handle)
    send({ type: 'handed-over' })
  }
  const stepAside = async (): Promise<void> => {
    const running = await work
    await running?.stepAside?.()
    send({ type: 'stepped-aside' })
  }
  const retire = async (until: number | null): Promise<void> => {
    const running = await work?.catch(() => undefined)
    const over = running?.retire?.() ?? Promise.resolve()
    await (until === null ? over : Promise.race([over, wait(Math.max(0, until - Date.now()))]))
    // What stays is another one's.
    if (!leavesItsWork(role)) await running?.stop()
    exit(0)
  }
  const start = (assignment: Assignment): void => {
    work = begin(assignment)
    work.then(() => {
      for (const handle of inherited.values()) closeHandle(handle)
      inherited.clear()
      send({ type: 'ready' })
    }, failed)
  }

  const misfit = (text: string): void => {
    log.fatal(`${text}. The program on disk was changed while the balancer ran: systemctl restart balancer`)
    exit(exitMisfit)
  }
  process.on('message', (received, handle: ListeningHandle) => {
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
        configureLog(message.config.log)
        isOnProbation = message.succeeds
        start({
          ...message,
          log,
          logSession,
          logRequest,
          onSyslogTrouble: opened.onSyslogTrouble,
          publish: (fact) => send({ type: 'fact', fact }),
          onFact,
          requestReload,
          requestReexec,
          orderRouter,
          endSessions,
          listSessions,
          inherit,
          lead,
        })
        return
      case 'lead':
        onLead(message)
        return
      case 'confirmed':
        isOnProbation = false
        return
      case 'handle':
        inherited.set(message.name, handle)
        return
      case 'hand-over':
        handOver().catch(failed)
        return
      case 'step-aside':
        stepAside().catch(failed)
        return
      case 'go-on':
        void work?.then(
          (running) => running.goOn?.(),
          () => {},
        )
        return
      case 'retire':
        retire(message.until).catch(failed)
        return
      case 'outline':
        work?.then((running) => running.outline?.(message.listeners)).catch(failed)
        return
      case 'fact':
        hear(message.fact)
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
      case 'end-sessions': {
        const { id, end } = message
        endOwnSessions(end).then((result) => send({ type: 'sessions-ended', id, result }), failed)
        return
      }
      case 'list-sessions': {
        const { id } = message
        listOwnSessions().then((list) => send({ type: 'sessions-listed', id, list }), failed)
        return
      }
      case 'session-list':
        sessionLists.get(message.id)?.(message.list)
        sessionLists.delete(message.id)
        return
      case 'session-ordered':
        sessionOrders.get(message.id)?.(message.result)
        sessionOrders.delete(message.id)
        return
      case 'stop':
        stop().catch(failed)
        return
      default:
        message satisfies never
    }
  })
  process.once('disconnect', () => {
    if (isOnProbation) {
      // Of the vrrp process not a word: the program before it has the addresses. Clients that were taken keep their sessions.
      if (role === 'vrrp') callExit(1)
      retire(null).catch(failed)
      return
    }
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
