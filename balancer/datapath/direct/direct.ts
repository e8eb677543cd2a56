// The direct datapath: rules of nftables pass frames of clients on to servers that answer for themselves. They go on without this
// process, and the next one takes them over; sessions go on with any balancer that has the same slots.

import { performance } from 'node:perf_hooks'
import { setTimeout as wait } from 'node:timers/promises'
import type { ListenerConfig } from '../../config/schema.ts'
import { endpointText } from '../../core/endpoint.ts'
import { FailedStart } from '../../core/failed-start.ts'
import { millis } from '../../core/time.ts'
import { type AddressWatch, watchAddresses } from '../../os/address-watch.ts'
import { openNftElements } from '../../os/nft-elements.ts'
import type { Outcome } from '../../os/outcome.ts'
import { mergeLists } from '../../pool/core/session-list.ts'
import type { SessionRecord } from '../../pool/core/session-record.ts'
import type { HostView } from '../core/host-view.ts'
import type { RunningDatapath, StartDatapath } from '../datapath.ts'
import { openSessionResets } from '../resets/session-resets.ts'
import { watchCounters } from '../rules/counter-watch.ts'
import { findTable } from '../rules/own-table.ts'
import { keepRules } from '../rules/rule-keeper.ts'
import { directOwnTable, directTable } from './core/direct-table.ts'
import { foundServers } from './core/found-servers.ts'
import { localOwnTable, localTable } from './core/local-table.ts'
import { isFilledByTraffic } from './core/names.ts'
import { endingFlows } from './ending-flows.ts'
import { createDirectEndings, directPace } from './endings.ts'
import { watchFlows } from './flow-watch.ts'
import { missingForDirect } from './host-check.ts'
import { reportOf } from './listener-report.ts'
import { runListeners } from './listeners.ts'
import { createOrders } from './orders.ts'
import { type Exchange, type OtherBalancers, openExchange } from './others.ts'
import { untilQuiet } from './quiet.ts'
import { releaseDirect } from './release.ts'
import { watchSegment } from './segment.ts'
import { countSessions } from './session-count.ts'
import { watchSilentServers } from './silent-servers.ts'
import { watchTakeovers } from './takeover.ts'
import { askUnheard, questionPace } from './unheard.ts'
import { watchWays } from './ways.ts'

/**
 * What the direct datapath needs beside: where virtual addresses will be, here or not, the other balancers, and who is told of each
 * session when it has ended and calls its argument at once, or never.
 */
export type DirectOptions = {
  readonly places: () => HostView['places']
  readonly others: OtherBalancers
  readonly onSession: (record: () => SessionRecord) => void
}

/** It hears from the other balancers, too. */
export type RunningDirect = RunningDatapath &
  Pick<Exchange, 'told' | 'find' | 'gone'> & {
    /** The slots of another balancer are others, or `isLost`: it is not connected any more. */
    readonly othersChanged: (isLost: boolean) => void
    /**
     * Whether its addresses are said to be closed, since sessions may come here of which only the others know the server; until `open`.
     * Frames are forwarded all the same.
     */
    readonly waits: () => boolean
    readonly open: () => void
  }

const lookMillis = 100
const publishMillis = 500
const countMillis = 5000
/** Longest wait for those who have to be told of the end of their sessions. */
const longestFarewell = 2000

/** Adopts the rules that are there, or makes them. */
export const startDirect = async (options: Parameters<StartDatapath<DirectOptions>>[0]): Promise<RunningDirect> => {
  const { log, publish, places, others, onSession } = options
  const found = must(await findTable(directOwnTable))
  const foundLocal = must(await findTable(localOwnTable))
  const [missing] = await missingForDirect()
  if (missing !== undefined) throw new FailedStart(missing)
  let configs: readonly ListenerConfig[] = options.listeners
  const elements = must(openNftElements())
  const unsent = (text: string): void => log.debug({ text }, `No reset: ${text}`)
  const resets = must(openSessionResets(directPace, unsent))
  const flows = watchFlows({
    elements,
    onLook: (bind, changes) => counts.look(bind, changes),
    onRound: () => {
      exchange.tell()
      look()
    },
    onFailure: (bind, code, text) => {
      if (code === 'ENOENT') return rules.doubt()
      log.warn({ bind, text }, `Sessions of ${bind} could not be listed: ${text}`)
    },
  })
  const counts = countSessions({
    flows,
    listenerAt: (bind) => listeners.at(bind),
    reasonOf: (bind, number) => orders.reasonOf(bind, number),
    leftAt: (address) => absent.get(address) ?? null,
    hasMovedHere: (address) => hasMovedHere(address),
    onlyTold: (bind) => exchange.onlyTold(bind),
    onSession,
  })
  const segment = await watchSegment({
    listeners: () => configs,
    places,
    balancers: others.addresses,
    onChange: () => void change(),
    log,
  })
  const ways = watchWays({ listeners: () => configs, segment, log })
  const listeners = runListeners({
    found: found === null ? [] : foundServers(found),
    pathOf: segment.pathOf,
    sessionsOf: counts.sessionsOf,
    isInUse: counts.isInUse,
    neededUntil: (bind) => endings.neededUntil(bind),
    onEffects: (effects) => {
      void change()
      orders.carryOut(effects)
    },
    onBindsGone: (binds) => orders.endBinds(binds),
  })
  const table = (wanted = listeners.wanted()) => directTable(wanted, segment.host())
  const rules = keepRules({
    own: directOwnTable,
    isFilledByOthers: isFilledByTraffic,
    there: found?.snapshot ?? null,
    wanted: table,
    onOthers: () => {},
    // The sessions that were in it are found by the slots from now on, and told by others.
    onRepaired: () => {},
    log,
  })
  /** For clients on this host. */
  const local = keepRules({
    own: localOwnTable,
    there: foundLocal?.snapshot ?? null,
    wanted: () => localTable(listeners.wanted()),
    onOthers: () => {},
    onRepaired: () => {},
    log,
  })
  const change = async (): Promise<void> => {
    await Promise.all([rules.change(), local.change()])
  }
  const endings = createDirectEndings({
    flows: endingFlows(flows, elements),
    resets,
    clientsOf: flows.clientsOf,
    placeOf: (bind, number) => {
      const server = listeners.serverAt(endpointText(bind), number)
      if (server === undefined) return undefined
      const { address, port, path } = server
      const device = path?.kind === 'link' ? path.device : null
      return { address, port, path, from: segment.host().devices.find(({ name }) => name === device)?.mac ?? null }
    },
    log,
  })
  const orders = createOrders({ endings, listeners: listeners.all, change })
  const exchange = openExchange({
    ...{ others, flows, elements, log },
    listenerAt: listeners.at,
    isElsewhere: (address) => absent.has(address),
  })
  const counters = watchCounters({ table: directOwnTable, onGone: rules.doubt, onPackets: () => {} })

  const silent = watchSilentServers()
  let isWaiting = false
  const trouble = (): string | null =>
    rules.problem() ?? (isWaiting ? 'waits for what the other balancers know of sessions, 10 s at most' : null)
  const publishAll = (): void => {
    for (const listener of listeners.all()) {
      publish(
        reportOf({
          listener,
          tallies: counts.talliesOf(listener),
          counters: counters.counts(),
          exceptions: exchange.exceptionsOf(listener.config().name),
          trouble: trouble(),
          findings: [...ways.findings(listener.config()), ...silent.findings(listener, counts.talliesOf(listener))],
        }),
      )
    }
  }
  let tables = ''
  const look = (): void => {
    const changed = listeners.all().filter((listener) => listener.look(counts.countedAt(listener)))
    const isTidied = listeners.tidy()
    if (isTidied) setBinds()
    if (changed.length > 0 || isTidied) void change()
    tellTables()
    others.setHolds(held())
  }
  const tellTables = (): void => {
    const own = listeners.all().map((listener) => ({
      table: listener.table(),
      established: listener.established(),
      servers: listener.config().servers.map(({ name }) => name),
    }))
    const now = JSON.stringify(own)
    if (now === tables) return
    const isFirst = tables === ''
    tables = now
    others.setOwn(own)
    // Whose sessions are elsewhere from now on is told at once: this host may die in the next second.
    if (!isFirst) void flows.lookAround()
  }

  /** Addresses that move between hosts and are not here, and since when: a moment of `performance.now()`. */
  const absent = new Map<string, number>()
  const isMoving = (address: string): boolean => places().some((place) => place.address === address)
  const hasMovedHere = (address: string): boolean => isMoving(address) && !absent.has(address)
  const unheard = askUnheard({
    ...{ flows, hasMovedHere, onlyTold: exchange.onlyTold, isComplete: others.isComplete },
    questions: must(openSessionResets(questionPace, unsent)),
  })
  const addressChanged = (address: string, isPresent: boolean): void => {
    if (!isMoving(address) && !absent.has(address)) return
    if (isPresent) {
      absent.delete(address)
      takeover.addressCame(address)
      endings.addressCame(address)
      unheard.askSoon()
    } else {
      absent.set(address, performance.now())
      takeover.addressLeft(address)
      endings.addressLeft(address)
      unheard.addressLeft(address)
      void flows.lookAround()
    }
  }
  const takeover = watchTakeovers({
    listeners: listeners.all,
    isComplete: others.isComplete,
  })
  const held = (): readonly string[] =>
    [...new Set(listeners.configs().flatMap(({ bind }) => bind.map(({ address }) => address)))].filter(
      (address) => isMoving(address) && watch?.has(address) === true,
    )

  const timers: NodeJS.Timeout[] = []
  let isOver = false
  let watch: AddressWatch | undefined
  const end = async (): Promise<void> => {
    isOver = true
    for (const timer of timers) clearInterval(timer)
    watch?.close()
    flows.close()
    listeners.stop()
    ways.stop()
    segment.close()
    await Promise.all([rules.close(), local.close()])
    endings.close()
    unheard.close()
    resets.close()
    elements.close()
  }
  const setBinds = (): void => {
    const binds = listeners.wanted().flatMap(({ binds: all, former = [], timeouts }) =>
      [...all, ...former].map((bind) => ({
        ...bind,
        idle: timeouts.idle,
        connect: millis(Math.max(timeouts.connect, leastConnect)),
      })),
    )
    flows.setBinds(binds)
    endings.setBinds(listeners.configs().flatMap(({ bind }) => bind))
  }
  const reconfigure: RunningDatapath['reconfigure'] = async (next, facts) => {
    const before = configs
    configs = next
    segment.refresh()
    const prepared = listeners.prepare(next, facts)
    const brought = await rules.attempt(table(prepared.wanted), () => {
      prepared.commit()
      setBinds()
    })
    if (!brought.ok) {
      prepared.cancel()
      configs = before
      segment.refresh()
      throw new FailedStart(brought.text)
    }
    // VRRP does not move it any more: it is everywhere.
    for (const address of [...absent.keys()]) if (!isMoving(address)) addressChanged(address, true)
    for (const { bind } of next) {
      for (const { address } of bind) {
        if (watch !== undefined && isMoving(address) && !watch.has(address)) addressChanged(address, false)
      }
    }
    await local.change()
    ways.begin()
    tellTables()
    if (timers.length > 0) publishAll()
  }

  try {
    watch = await watchAddresses(addressChanged)
    await reconfigure(options.listeners, options.facts)
  } catch (error) {
    await end()
    throw error
  }
  await flows.lookAround()
  tellTables()
  // Whoever has the address knows its sessions, and so does one that has just died here.
  isWaiting = found === null || (absent.size > 0 && held().length === 0)
  timers.push(
    setInterval(look, lookMillis),
    setInterval(publishAll, publishMillis),
    setInterval(() => void counters.look(), countMillis),
  )

  return {
    hear: (fact) => {
      listeners.hear(fact)
      orders.hear(fact)
      ways.hear(fact)
    },
    reconfigure,
    endSessions: async (order) => (isOver ? { ended: [], troubles: [] } : orders.order(order)),
    listSessions: async () => (isOver ? mergeLists([]) : counts.list()),
    // What is told while this stops is for whoever takes over.
    told: async (peer, exceptions) => (isOver ? { better: [], over: [] } : exchange.told(peer, exceptions)),
    find: exchange.find,
    gone: async (peer, sessions) => {
      if (!isOver) await exchange.gone(peer, sessions)
    },
    othersChanged: (isLost) => {
      if (isLost) {
        takeover.peerLost()
        unheard.askSoon()
      } else {
        takeover.peerHeard()
        if (isWaiting) for (const { tables: theirs } of others.connected()) takeover.joined(theirs)
      }
      segment.refresh()
      void flows.lookAround()
    },
    waits: () => isWaiting,
    open: () => {
      isWaiting = false
      if (!isOver) publishAll()
    },
    unreachable: async (limit) => {
      const last = performance.now() + limit
      while (held().length > 0 && performance.now() < last) await wait(lookMillis)
    },
    handles: () => {
      for (const one of [rules, local]) one.share()
      return new Map()
    },
    goOn: () => {
      for (const one of [rules, local]) one.resume()
    },
    retire: async () => {
      if (!isOver) await end()
    },
    stop: async () => {
      if (isOver) return
      const quiet = untilQuiet(async () => {
        await counters.look()
        return [...counters.packets().values()].reduce((sum, count) => sum + count, 0)
      })
      await Promise.all([quiet, Promise.race([endings.told(), wait(longestFarewell)])])
      const left = counts.remembered()
      await end()
      const { removed, failed } = await releaseDirect()
      for (const text of removed) log.info(`Removed ${text}`)
      for (const text of failed) log.error(text)
      if (left > 0)
        log.info(
          { sessions: left },
          `${left} session(s) of listeners with datapath: direct were not ended: they go on through another balancer, where there is one`,
        )
    },
  }
}

/** The rules forget nobody sooner who has only asked. */
const leastConnect = 10_000

const must = <T>(outcome: Outcome<T>): T => {
  if (!outcome.ok) throw new FailedStart(outcome.text)
  return outcome.value
}
