// All listeners of the direct datapath together, and the table that follows from them.

import { performance } from 'node:perf_hooks'
import type { ListenerConfig } from '../../config/schema.ts'
import { type Endpoint, endpointText } from '../../core/endpoint.ts'
import { formersOf } from '../../pool/core/formers.ts'
import type { PlanEffect } from '../core/plan.ts'
import type { DecidingFact } from '../datapath.ts'
import type { DirectListener, DirectServer, ServerPath } from './core/direct-table.ts'
import type { FoundServer } from './core/found-servers.ts'
import { type RunningListener, runListener } from './listener.ts'

/** The listeners there are. */
export type RunningListeners = {
  readonly all: () => readonly RunningListener[]
  readonly configs: () => readonly ListenerConfig[]
  readonly hear: (fact: DecidingFact) => void
  /** What the rules should have now. */
  readonly wanted: () => readonly DirectListener[]
  /** What they should have with other listeners, whose servers are known by these facts; `commit` goes on with them. */
  readonly prepare: (configs: readonly ListenerConfig[], facts: readonly DecidingFact[]) => Prepared
  /** The listener of a bind, `address:port`. */
  readonly at: (bind: string) => RunningListener | undefined
  /** Where the server with a number is, of listeners that are just going as well. */
  readonly serverAt: (bind: string, number: number) => DirectServer | undefined
  /** Lets go of listeners that are gone and that nobody has to be told of any more; whether there were any. */
  readonly tidy: () => boolean
  readonly stop: () => void
}

/** An effect, and the listener whose plan it is of. */
export type DueEffect = { readonly listener: RunningListener; readonly effect: PlanEffect }

/** Listeners that are not in force yet. `cancel` lets go of them. */
export type Prepared = {
  readonly wanted: readonly DirectListener[]
  readonly commit: () => void
  readonly cancel: () => void
}

export type ListenersOptions = {
  /** What is found is adopted by those that are prepared first. */
  readonly found: readonly FoundServer[]
  readonly pathOf: (address: string) => ServerPath | null
  /** Live sessions of a listener by number; and whether any is in the kernel, ended ones among them. */
  readonly sessionsOf: (binds: readonly string[], number: number) => number
  readonly isInUse: (binds: readonly string[], number: number) => boolean
  /** The plans have changed: the rules have to follow, and this is to be carried out then. */
  readonly onEffects: (effects: readonly DueEffect[]) => void
  /** Binds that are another listener's now, or nobody's. */
  readonly onBindsGone: (binds: readonly Endpoint[]) => void
  /** Until when the rules of such a bind are needed; a moment of `performance.now()`. */
  readonly neededUntil: (bind: Endpoint) => number
}

/** What a listener was whose binds a reload took away, and when: a moment of `performance.now()`. */
type Going = { readonly wanted: DirectListener; readonly leftAt: number }
/** Until what ends with it has been looked for. */
const leastGoing = 5000

/** None yet. */
export const runListeners = (options: ListenersOptions): RunningListeners => {
  const { found, pathOf, sessionsOf, isInUse, onEffects, onBindsGone, neededUntil } = options
  let running = new Map<string, RunningListener>()
  let binds = new Map<string, RunningListener>()
  let configured: readonly ListenerConfig[] = []
  /** What is left of binds that are gone, until all are told whose sessions ended. */
  let going: readonly Going[] = []
  let isAdopting = true

  /** What listeners that are not in force yet say; undefined while there are none. */
  let early: DueEffect[] | undefined
  const onStep = (effects: readonly DueEffect[]): void => {
    if (early === undefined) onEffects(effects)
    else early.push(...effects)
  }
  const start = (config: ListenerConfig): RunningListener => {
    const own = isAdopting ? found.filter((one) => isFoundIn(one, config)) : []
    const listener: RunningListener = runListener({
      config,
      inherited: {
        takers: new Set(own.flatMap(({ server, takes }) => (takes ? [server] : []))),
        numbers: new Map(own.map(({ server, number }) => [server, number])),
      },
      pathOf,
      sessionsOf: (number) => sessionsOf(bindsOf(listener?.config() ?? config), number),
      isInUse: (number) => isInUse(bindsOf(config), number),
      onStep: (effects) => onStep(effects.map((effect) => ({ listener, effect }))),
    })
    return listener
  }

  /** Binds that no listener has any more; `kept` are those that some still has. */
  const goingBy = (kept: ReadonlySet<string>): readonly Going[] =>
    [...running.values()].flatMap((listener) => {
      const wanted = listener.wanted()
      const former = wanted.binds.filter((bind) => !kept.has(endpointText(bind)))
      return former.length === 0 ? [] : [{ wanted: { ...wanted, binds: [], former }, leftAt: performance.now() }]
    })
  const isNeeded = ({ wanted: { former = [] }, leftAt }: Going): boolean =>
    performance.now() < Math.max(leftAt + leastGoing, ...former.map(neededUntil))
  /** What is left of those that are gone beside others, which may have a bind again, or the name. */
  const withGoing = (wanted: readonly DirectListener[], also: readonly Going[] = []): readonly DirectListener[] => {
    const taken = new Set(wanted.flatMap((listener) => listener.binds.map(endpointText)))
    const all = new Map(wanted.map((listener) => [listener.name, listener]))
    for (const { wanted: left } of [...going, ...also]) {
      const free = (left.former ?? []).filter((bind) => !taken.has(endpointText(bind)))
      if (free.length === 0) continue
      for (const bind of free) taken.add(endpointText(bind))
      const beside = all.get(left.name) ?? left
      all.set(left.name, { ...beside, former: beside === left ? free : [...(beside.former ?? []), ...free] })
    }
    return [...all.values()]
  }

  const prepare = (configs: readonly ListenerConfig[], facts: readonly DecidingFact[]): Prepared => {
    const formers = formersOf(configured, configs)
    const fresh = new Set<RunningListener>()
    early = []
    const next = configs.map((config) => {
      const former = running.get(formers.listener(config)?.name ?? '')
      const listener = former ?? start(config)
      if (former === undefined) {
        fresh.add(listener)
        for (const fact of facts) if (fact.listener === config.name) hearBy(listener, fact)
      }
      return { config, listener }
    })
    const due = early
    early = undefined
    const gone = [...running.values()].filter((listener) => !next.some((one) => one.listener === listener))
    const wanted = withGoing(
      next.map(({ config, listener }) => (fresh.has(listener) ? listener.wanted() : listener.prospect(config))),
      goingBy(bindsOfAll(configs)),
    )
    const commit = (): void => {
      isAdopting = false
      const before = binds
      const ends = configured.flatMap(({ bind }) => bind)
      going = [...going.filter(isNeeded), ...goingBy(bindsOfAll(configs))]
      running = new Map(next.map(({ config, listener }) => [config.name, listener]))
      binds = new Map(next.flatMap(({ config, listener }) => bindsOf(config).map((bind) => [bind, listener] as const)))
      configured = configs
      for (const { config, listener } of next) if (!fresh.has(listener)) listener.reconfigure(config)
      for (const listener of gone) listener.stop()
      const left = [...before].filter(([bind, listener]) => binds.get(bind) !== listener).map(([bind]) => bind)
      if (left.length > 0) onBindsGone(ends.filter((bind) => left.includes(endpointText(bind))))
      onEffects(due)
    }
    const cancel = (): void => {
      for (const listener of fresh) listener.stop()
    }
    return { wanted, commit, cancel }
  }

  return {
    all: () => [...running.values()],
    configs: () => configured,
    hear: (fact) => {
      const listener = running.get(fact.listener)
      if (listener !== undefined) hearBy(listener, fact)
    },
    wanted: () => withGoing([...running.values()].map((listener) => listener.wanted())),
    prepare,
    at: (bind) => binds.get(bind),
    serverAt: (bind, number) =>
      (
        binds.get(bind)?.wanted() ??
        going.find(({ wanted }) => wanted.former?.some((one) => endpointText(one) === bind))?.wanted
      )?.servers.find((server) => server.number === number),
    tidy: () => {
      const before = going.length
      going = going.filter(isNeeded)
      return going.length < before
    },
    stop: () => {
      for (const listener of running.values()) listener.stop()
    },
  }
}

/** The binds of a listener as texts. */
export const bindsOf = ({ bind }: Pick<ListenerConfig, 'bind'>): readonly string[] => bind.map(endpointText)

const bindsOfAll = (configs: readonly ListenerConfig[]): ReadonlySet<string> => new Set(configs.flatMap(bindsOf))

const hearBy = (listener: RunningListener, fact: DecidingFact): void => {
  if (fact.fact === 'writer') listener.setWriter(fact.server)
  else listener.hear(fact)
}

/** A server that is somewhere else now does not get the sessions of the old one. */
const isFoundIn = (found: FoundServer, { name, servers }: ListenerConfig): boolean =>
  found.listener === name &&
  servers.some(
    (server) =>
      server.name === found.server && server.address.address === found.address && server.address.port === found.port,
  )
