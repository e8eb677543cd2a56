// One listener of the direct datapath: its plan, the numbers of its servers, and what the rules should be for it now.

import { performance } from 'node:perf_hooks'
import { isDeepStrictEqual } from 'node:util'
import type { ListenerConfig } from '../../config/schema.ts'
import { millis } from '../../core/time.ts'
import type { ServerHealthFact } from '../../pool/core/facts.ts'
import { type SlotTable, slotTable } from '../../pool/core/slot-table.ts'
import { isKnown, leftBehind } from '../core/left-behind.ts'
import { type Place, type Plan, type PlanEffect, step, type Targets, targetsOf } from '../core/plan.ts'
import { firstWords } from '../first-words.ts'
import { runPlan } from '../running-plan.ts'
import { type Admission, admissionAt } from './core/admission.ts'
import type { DirectListener, ServerPath } from './core/direct-table.ts'
import { type Established, establishedTable, withoutServer } from './core/established.ts'
import { hashIn, idleOf, listenerOfConfig } from './core/listener-of-config.ts'
import { numberServers, type ServerNumbers } from './core/server-numbers.ts'

/** A listener, and the counts of its sessions by number. */
export type RunningListener = {
  readonly config: () => ListenerConfig
  readonly hear: (fact: ServerHealthFact) => void
  readonly setWriter: (server: string | null) => void
  /** What the rules should have now. */
  readonly wanted: () => DirectListener
  /** What they would have with another configuration. Nothing changes. */
  readonly prospect: (config: ListenerConfig) => DirectListener
  readonly reconfigure: (config: ListenerConfig) => void
  /** Who takes new sessions. */
  readonly table: () => SlotTable
  /** Sessions that this host has never seen go by these slots from now on, whatever changes: those of now, or of a while ago. */
  readonly keepEstablished: (table: SlotTable) => void
  /** Those slots, where they are not the slots of new sessions. */
  readonly established: () => SlotTable | undefined
  /** When that was done last; a moment of `performance.now()`. */
  readonly establishedSince: () => number | null
  /** Those of all that may have sessions. */
  readonly numbers: () => readonly number[]
  readonly numberOf: (place: Pick<Place, 'id'>) => number | undefined
  /** The number of the server with this name; of those that were taken out of the configuration one that may have sessions. */
  readonly numberNamed: (server: string) => number | undefined
  /** Whether the server with this name is on this host. */
  readonly isHere: (server: string) => boolean
  /** The server of a number, departed ones too; undefined where nobody has it. */
  readonly serverOf: (number: number) => string | undefined
  /** The servers that are configured, in the order of the file. */
  readonly places: () => readonly Place[]
  readonly isPanicking: () => boolean
  /**
   * Looks at the counts, which are of a moment of `performance.now()`: tells the plan whose sessions are gone. Whether the rules
   * should be others than at the last look.
   */
  readonly look: (countedAt: number) => boolean
  readonly stop: () => void
}

export type ListenerOptions = {
  readonly config: ListenerConfig
  /** What an earlier process left: names of the servers that get new sessions, and numbers by name. */
  readonly inherited: { readonly takers: ReadonlySet<string>; readonly numbers: ReadonlyMap<string, number> }
  readonly pathOf: (address: string) => ServerPath | null
  /** Live sessions with a number; and whether any is in the kernel, ended ones among them. */
  readonly sessionsOf: (number: number) => number
  readonly isInUse: (number: number) => boolean
  /** The plan has changed; effects are to be carried out when the rules follow it. */
  readonly onStep: (effects: readonly PlanEffect[]) => void
}

/** A server that has just ceased to be a target may get a session by rules that are being changed. */
const settling = 1000

/** Makes a listener. */
export const runListener = (options: ListenerOptions): RunningListener => {
  const { pathOf, sessionsOf, isInUse, onStep } = options
  let { config } = options
  let { takers } = options.inherited
  let numbers: ServerNumbers = new Map()
  let admission: Admission = { admits: 'all', closedSince: null }
  let shown = ''
  let shownTargets: Targets | undefined
  let known: { readonly of: Targets; readonly takers: ReadonlySet<string>; readonly table: SlotTable } | undefined
  let established: Established | null = null
  /** When a server was last seen to take sessions. */
  const takingAt = new Map<number, number>()

  const running = runPlan({
    config,
    adopts: true,
    onStep: (effects) => {
      for (const { effect, server } of effects)
        if (effect === 'end-sessions') established = withoutServer(established, server)
      onStep(effects)
    },
  })
  const renumber = (): void => {
    const { servers, departed } = running.plan()
    numbers = numberServers([...servers, ...departed], numbers, isInUse)
  }
  const adopt = (): void => {
    const found = running.plan().servers.flatMap(({ id, server }) => {
      const number = options.inherited.numbers.get(server)
      return number === undefined ? [] : [[id, number] as const]
    })
    numbers = new Map(found)
    renumber()
  }
  adopt()

  const words = firstWords(running, () => takers)
  const sessionsAt = (id: number): number => {
    const number = numbers.get(id)
    return number === undefined ? 0 : sessionsOf(number)
  }
  const sessions = (): number => [...new Set(numbers.values())].reduce((sum, number) => sum + sessionsOf(number), 0)
  const tableOf = (plan: Plan, targets: Targets): SlotTable => {
    const own = targets.targets.map(({ server, weight }) => ({ server, weight }))
    const left = leftBehind(plan, takers, new Set(own.map(({ server }) => server)))
    const all = plan.config.servers.flatMap(({ name }) => [...own, ...left].filter(({ server }) => server === name))
    return slotTable(
      plan.config.name,
      hashIn(plan.config),
      plan.config.servers.map(({ name }) => name),
      all.map(({ server, weight }) => ({ server, weight })),
    )
  }
  const table = (): SlotTable => {
    const targets = running.targets()
    if (known?.of !== targets || known.takers !== takers) {
      const next = tableOf(running.plan(), targets)
      // Its slots are remembered by the object.
      known = { of: targets, takers, table: isDeepStrictEqual(known?.table, next) && known ? known.table : next }
    }
    return known.table
  }
  const admissionOf = (plan: Plan, targets: Targets, slots: SlotTable): Admission =>
    admissionAt(admission, performance.now(), {
      hasTarget: slots.targets.length > 0,
      isHandingOver: targets.isHandingOver,
      isFull: sessions() >= plan.config.max_connections,
      patience: plan.config.timeouts.queue,
    })
  const establishedNow = ({ servers, departed }: Plan, slots: SlotTable): SlotTable | undefined => {
    const isOneOfThem = (name: string): boolean => [...servers, ...departed].some(({ server }) => server === name)
    return establishedTable(established, slots, performance.now(), isOneOfThem)
  }
  const listenerFor = (plan: Plan, slots: SlotTable, by: ServerNumbers, { admits }: Admission): DirectListener => {
    const everyone = [...plan.servers, ...plan.departed]
    const before = establishedNow(plan, slots)
    return listenerOfConfig(plan.config, {
      servers: everyone.flatMap(({ id, server, address: { address, port } }) => {
        const number = by.get(id)
        return number === undefined ? [] : [{ name: server, number, address, port, path: pathOf(address) }]
      }),
      table: slots,
      ...(before === undefined ? {} : { established: before }),
      admits,
    })
  }
  const tellEmptied = (countedAt: number): void => {
    const { targets } = running.targets()
    for (const { id } of targets) takingAt.set(id, performance.now())
    // Servers that the plan does not know yet still get sessions.
    if (takers.size > 0) return
    const { servers, departed } = running.plan()
    for (const { id, mayHaveSessions, logins } of [...servers, ...departed]) {
      const isSettled = countedAt > (takingAt.get(id) ?? Number.NEGATIVE_INFINITY) + settling
      if (isSettled && sessionsAt(id) === 0 && (mayHaveSessions || logins.length > 0)) running.emptied(id)
    }
  }

  return {
    config: () => config,
    hear: words.hear,
    setWriter: running.setWriter,
    wanted: () => {
      admission = admissionOf(running.plan(), running.targets(), table())
      return listenerFor(running.plan(), table(), numbers, admission)
    },
    prospect: (next) => {
      const at = millis(performance.now())
      const [plan] = step(running.plan(), { event: 'reconfigured', at, config: next })
      const targets = targetsOf(plan, at)
      const slots = tableOf(plan, targets)
      const by = numberServers([...plan.servers, ...plan.departed], numbers, isInUse)
      return listenerFor(plan, slots, by, admissionOf(plan, targets, slots))
    },
    reconfigure: (next) => {
      config = next
      running.reconfigure(next)
      renumber()
    },
    table,
    keepEstablished: (kept) => {
      const since = performance.now()
      established = { table: kept, since, until: since + idleOf(config) }
    },
    established: () => establishedNow(running.plan(), table()),
    establishedSince: () => established?.since ?? null,
    numbers: () => [...new Set(numbers.values())],
    numberOf: ({ id }) => numbers.get(id),
    numberNamed: (name) => {
      const { servers, departed } = running.plan()
      const named = [...servers, ...departed].find(({ server }) => server === name)
      return named === undefined ? undefined : numbers.get(named.id)
    },
    isHere: (name) => {
      const place = running.plan().servers.find(({ server }) => server === name)
      return place !== undefined && pathOf(place.address.address)?.kind === 'here'
    },
    serverOf: (number) => {
      const { servers, departed } = running.plan()
      return [...servers, ...departed].find(({ id }) => numbers.get(id) === number)?.server
    },
    places: () => running.plan().servers,
    isPanicking: () => running.targets().isPanicking,
    look: (countedAt) => {
      tellEmptied(countedAt)
      if (takers.size > 0 && isKnown(running.plan())) takers = new Set()
      const targets = running.targets()
      admission = admissionOf(running.plan(), targets, table())
      if (established !== null && performance.now() >= established.until) established = null
      const now = `${admission.admits} ${takers.size} ${running.plan().departed.length} ${established?.since}`
      const isOther = now !== shown || targets !== shownTargets
      shown = now
      shownTargets = targets
      return isOther
    },
    stop: () => {
      words.stop()
      running.stop()
    },
  }
}
