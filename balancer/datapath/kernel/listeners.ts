// All listeners of the kernel datapath together: the marks of their servers, and the table that follows from them.

import type { ListenerConfig } from '../../config/schema.ts'
import { type Millis, millis } from '../../core/time.ts'
import { formersOf } from '../../pool/core/formers.ts'
import type { PlanEffect } from '../core/plan.ts'
import type { DecidingFact } from '../datapath.ts'
import type { Listing } from '../rules/core/listing.ts'
import type { Table, TimeoutPolicy } from '../rules/core/table.ts'
import { takersIn, timeoutsOf } from './core/adoption.ts'
import type { KernelListener, Numbering } from './core/kernel-listener.ts'
import { kernelTable } from './core/kernel-table.ts'
import { idleOf } from './core/listener-of-config.ts'
import { numberKey } from './core/marks.ts'
import { marksOf, numberingFound, renumber } from './core/server-numbers.ts'
import { type RunningListener, runListener } from './listener.ts'
import type { SessionView } from './session-view.ts'

/** The listeners there are. */
export type RunningListeners = {
  readonly all: () => readonly RunningListener[]
  /** The mark of one of its servers. */
  readonly markOf: (listener: RunningListener) => number | undefined
  readonly configs: () => readonly ListenerConfig[]
  readonly hear: (fact: DecidingFact) => void
  /** What the kernel should have now. */
  readonly table: () => Table
  /** What it should have with other listeners, whose servers are known by these facts; `commit` goes on with them. */
  readonly prepare: (configs: readonly ListenerConfig[], facts: readonly DecidingFact[]) => Prepared
  /** Gives up the marks that nobody needs any more, and tells which. */
  readonly tidy: () => readonly number[]
  /** The configuration that a mark belongs to, and the names that it stands for. */
  readonly configOf: (mark: number) => ListenerConfig | undefined
  readonly namesOf: (mark: number) => { readonly listener: string; readonly server: string } | undefined
  readonly stop: () => void
}

/** An effect, and the mark of its server. */
export type DueEffect = { readonly effect: PlanEffect; readonly mark: number }

/** Listeners that are not in force yet. `cancel` lets go of them. */
export type Prepared = { readonly table: Table; readonly commit: () => void; readonly cancel: () => void }

export type ListenersOptions = {
  readonly found: Listing | null
  readonly view: SessionView
  readonly virtualAddresses: () => readonly string[]
  readonly isPathWatched: () => boolean
  /** The plans have changed: the rules have to follow, and this is to be carried out then. */
  readonly onEffects: (effects: readonly DueEffect[]) => void
  /** A listener is gone; `mark` is that of one of its servers. */
  readonly onGone: (mark: number) => void
  /** Sessions of a listener may have begun with other timeouts than it has now, the shortest of them `before`. */
  readonly onOtherTimeouts: (mark: number, idle: Millis, before: Millis) => void
}

/** None yet; what is found is adopted by those that are prepared first. */
export const runListeners = (options: ListenersOptions): RunningListeners => {
  const { found, view, virtualAddresses, isPathWatched, onEffects, onGone, onOtherTimeouts } = options
  let running = new Map<string, RunningListener>()
  let configured: readonly ListenerConfig[] = []
  let numbering: Numbering | undefined
  let names = new Map<number, string>()
  let kept: readonly TimeoutPolicy[] = found === null ? [] : timeoutsOf(found)

  /** What listeners that are not in force yet say; undefined while there are none. */
  let early: DueEffect[] | undefined
  const onStep = (effects: readonly DueEffect[]): void => {
    if (early === undefined) onEffects(effects)
    else early.push(...effects)
  }
  const isAdopting = (): boolean => numbering === undefined
  const isInUse = (mark: number): boolean => view.sessionsOf(mark) > 0
  const tableOf = (listeners: readonly KernelListener[], numbers: Numbering): Table =>
    kernelTable({
      listeners,
      virtualAddresses: virtualAddresses(),
      isPathWatched: isPathWatched(),
      numbering: numbers,
      keptTimeouts: kept,
    })
  const start = (config: ListenerConfig, numbers: Numbering): RunningListener => {
    const listener: RunningListener = runListener({
      config,
      inherited: isAdopting() ? takersFound(found, config, numbers) : new Set(),
      sessionsOf: view.sessionsOf,
      sessionsOfListener: view.sessionsOfListener,
      onStep: (effects) =>
        onStep(
          effects.flatMap((effect) => {
            const mark = listener.markOf(effect)
            return mark === undefined ? [] : [{ effect, mark }]
          }),
        ),
    })
    // The same name later is another listener, or a server that is somewhere else.
    if (isAdopting()) listener.setMarks(marksOf(listener.numbered(), numbers))
    return listener
  }
  /** The idle times that sessions of a listener may have: those of what was found for one that is new here. */
  const idleTimes = (before: ListenerConfig | null): readonly Millis[] =>
    before !== null
      ? [idleOf(before)]
      : isAdopting()
        ? kept.map(({ policy }) => millis((policy['established'] ?? usualIdle) * 1000))
        : []
  const settle = (numbers: Numbering): void => {
    numbering = numbers
    names = new Map([...numbers].map(([key, mark]) => [mark, key]))
  }

  const prepare = (configs: readonly ListenerConfig[], facts: readonly DecidingFact[]): Prepared => {
    const formers = formersOf(configured, configs)
    const before = numbering ?? (found === null ? new Map() : numberingFound(found, configs))
    const fresh = new Set<RunningListener>()
    const next = configs.map((config) => {
      const former = running.get(formers.listener(config)?.name ?? '')
      const listener = former ?? start(config, before)
      if (former === undefined) fresh.add(listener)
      return { config, listener }
    })
    const prospects = next.map(({ config, listener }) => (fresh.has(listener) ? null : listener.prospect(config)))
    const numbered = next.map(({ listener }, i) => prospects[i]?.numbered ?? listener.numbered())
    const numbers = renumber(numbered, before, isInUse)
    early = []
    for (const [i, { config, listener }] of next.entries()) {
      if (!fresh.has(listener)) continue
      listener.setMarks(marksOf(numbered[i] ?? listener.numbered(), numbers))
      for (const fact of facts) if (fact.listener === config.name) hearBy(listener, fact)
    }
    const due = early
    early = undefined
    const table = tableOf(
      next.map(({ listener }, i) => prospects[i]?.listener ?? listener.wanted()),
      numbers,
    )
    const commit = (): void => {
      const gone = [...running.values()].filter((listener) => !next.some((one) => one.listener === listener))
      const marks = gone.map(anyMark)
      const idleBefore = next.map(({ listener }) => idleTimes(fresh.has(listener) ? null : listener.config()))
      running = new Map(next.map(({ config, listener }) => [config.name, listener]))
      configured = configs
      for (const { config, listener } of next) if (!fresh.has(listener)) listener.reconfigure(config)
      settle(numbers)
      for (const { listener } of next) listener.setMarks(marksOf(listener.numbered(), numbers))
      for (const [i, { config, listener }] of next.entries()) {
        const [mark, others] = [anyMark(listener), (idleBefore[i] ?? []).filter((idle) => idle !== idleOf(config))]
        if (mark !== undefined && others.length > 0) onOtherTimeouts(mark, idleOf(config), millis(Math.min(...others)))
      }
      for (const listener of gone) listener.stop()
      for (const mark of marks) if (mark !== undefined) onGone(mark)
      kept = table.timeouts
      onEffects(due)
    }
    const cancel = (): void => {
      for (const listener of fresh) listener.stop()
    }
    return { table, commit, cancel }
  }

  return {
    all: () => [...running.values()],
    markOf: anyMark,
    configs: () => configured,
    hear: (fact) => {
      const listener = running.get(fact.listener)
      if (listener !== undefined) hearBy(listener, fact)
    },
    table: () =>
      tableOf(
        [...running.values()].map((listener) => listener.wanted()),
        numbering ?? new Map(),
      ),
    prepare,
    tidy: () => {
      const before = numbering ?? new Map<string, number>()
      const numbers = renumber(
        [...running.values()].map((listener) => listener.numbered()),
        before,
        isInUse,
      )
      if (numbers.size === before.size) return []
      const left = new Set(numbers.values())
      settle(numbers)
      return [...before.values()].filter((mark) => !left.has(mark))
    },
    configOf: (mark) => {
      const key = names.get(mark)
      return key === undefined ? undefined : running.get(key.replace(/\/.*/, ''))?.config()
    },
    namesOf: (mark) => {
      const [listener, server] = names.get(mark)?.split('/') ?? []
      return listener === undefined || server === undefined ? undefined : { listener, server }
    },
    stop: () => {
      for (const listener of running.values()) listener.stop()
    },
  }
}

/** The kernel's own: five days, in seconds. */
const usualIdle = 432_000

const anyMark = (listener: RunningListener): number | undefined =>
  listener.places().flatMap((place) => listener.markOf(place) ?? [])[0]

const hearBy = (listener: RunningListener, fact: DecidingFact): void => {
  if (fact.fact === 'writer') listener.setWriter(fact.server)
  else listener.hear(fact)
}

/** The servers of a listener that a table gives new sessions to, by name. */
const takersFound = (
  found: Listing | null,
  { name: listener, servers }: ListenerConfig,
  numbers: Numbering,
): ReadonlySet<string> => {
  if (found === null) return new Set()
  const names = new Map(
    servers.flatMap(({ name: server }) => {
      const mark = numbers.get(numberKey({ listener, server }))
      return mark === undefined ? [] : [[mark, server] as const]
    }),
  )
  return new Set([...takersIn(found, listener, names.keys())].flatMap((mark) => names.get(mark) ?? []))
}
