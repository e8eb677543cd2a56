// One listener of the kernel datapath: its plan, the marks of its servers, and what the rules should be for it now.

import { performance } from 'node:perf_hooks'
import type { ListenerConfig } from '../../config/schema.ts'
import { millis } from '../../core/time.ts'
import type { ServerHealthFact } from '../../pool/core/facts.ts'
import { isKnown, leftBehind } from '../core/left-behind.ts'
import { type Place, type Plan, type PlanEffect, step, type Targets, targetsOf } from '../core/plan.ts'
import { firstWords } from '../first-words.ts'
import { runPlan } from '../running-plan.ts'
import type { KernelListener, KernelTarget } from './core/kernel-listener.ts'
import { type Factors, nextFactors } from './core/least-connections.ts'
import { listenerOfConfig, targetsWithRoom } from './core/listener-of-config.ts'
import type { Numbered, PlanMarks } from './core/server-numbers.ts'

/** A listener and its sessions' counts by mark. */
export type RunningListener = {
  readonly config: () => ListenerConfig
  readonly hear: (fact: ServerHealthFact) => void
  readonly setWriter: (server: string | null) => void
  /** What the rules should have now. */
  readonly wanted: () => KernelListener
  /** What they would have with another configuration, and its servers. Nothing changes. */
  readonly prospect: (config: ListenerConfig) => { readonly listener: KernelListener; readonly numbered: Numbered }
  readonly reconfigure: (config: ListenerConfig) => void
  readonly numbered: () => Numbered
  readonly setMarks: (marks: PlanMarks) => void
  readonly markOf: (place: Pick<Place, 'id'>) => number | undefined
  /** The marks of the servers with this name, of those that a reload took away too. */
  readonly marksNamed: (server: string) => readonly number[]
  /** The servers that are configured, in the order of the file. */
  readonly places: () => readonly Place[]
  readonly isPanicking: () => boolean
  /** Looks at the counts: tells the plan whose sessions are gone. Whether the rules should be others than at the last look. */
  readonly look: () => boolean
  /** Makes the weights of leastconn anew. */
  readonly weigh: () => void
  readonly stop: () => void
}

export type ListenerOptions = {
  readonly config: ListenerConfig
  /** Names of servers that get sessions by what an earlier process left: they do as long as nothing is known of them. */
  readonly inherited: ReadonlySet<string>
  /** Sessions and attempts with a mark, and of the whole listener. */
  readonly sessionsOf: (mark: number) => number
  readonly sessionsOfListener: (mark: number) => number
  /** The plan has changed; effects are to be carried out when the rules follow it. */
  readonly onStep: (effects: readonly PlanEffect[]) => void
}

/** Makes a listener whose servers have no marks yet. */
export const runListener = (options: ListenerOptions): RunningListener => {
  const { sessionsOf, sessionsOfListener, onStep } = options
  let { config, inherited } = options
  let marks: PlanMarks = new Map()
  let factors: Factors = new Map()
  let shown = ''
  let shownTargets: Targets | undefined

  const running = runPlan({ config, adopts: true, onStep: (effects) => onStep(effects) })
  const words = firstWords(running, () => inherited)
  const sessionsAt = (id: number): number => {
    const mark = marks.get(id)
    return mark === undefined ? 0 : sessionsOf(mark)
  }
  const isFull = (): boolean => {
    const [mark] = marks.values()
    return mark !== undefined && sessionsOfListener(mark) >= config.max_connections
  }

  /** The targets of a plan, by the names of its servers. */
  const targetsIn = (plan: Plan, targets: Targets): readonly KernelTarget[] => {
    const own = targets.targets.map(({ server, weight, maximumSessions }) => ({
      server,
      weight: weight * (factors.get(server) ?? 1),
      maximumSessions,
    }))
    const left = leftBehind(plan, inherited, new Set(own.map(({ server }) => server)))
    const all = plan.config.servers.flatMap(({ name }) => [...own, ...left].filter(({ server }) => server === name))
    const ids = new Map(plan.servers.map(({ server, id }) => [server, id]))
    return targetsWithRoom(all, (server) => sessionsAt(ids.get(server) ?? -1))
  }
  const listenerFor = (plan: Plan, targets: Targets): KernelListener =>
    listenerOfConfig(plan.config, {
      targets: targetsIn(plan, targets),
      isFull: isFull(),
      isHandingOver: targets.isHandingOver,
    })
  const numberedFor = ({ config: { name }, servers, departed }: Plan): Numbered => ({
    listener: name,
    servers,
    departed,
    marks,
  })
  const wanted = (): KernelListener => listenerFor(running.plan(), running.targets())
  const tellEmptied = (): void => {
    // Servers that the plan does not know yet still get sessions.
    if (inherited.size > 0) return
    const { targets } = running.targets()
    const { servers, departed } = running.plan()
    for (const { id, mayHaveSessions, logins } of [...servers, ...departed]) {
      const isEmpty = sessionsAt(id) === 0 && !targets.some((target) => target.id === id)
      if (isEmpty && (mayHaveSessions || logins.length > 0)) running.emptied(id)
    }
  }

  return {
    config: () => config,
    hear: words.hear,
    setWriter: running.setWriter,
    wanted,
    prospect: (next) => {
      const at = millis(performance.now())
      const [plan] = step(running.plan(), { event: 'reconfigured', at, config: next })
      return { listener: listenerFor(plan, targetsOf(plan, at)), numbered: numberedFor(plan) }
    },
    reconfigure: (next) => {
      config = next
      running.reconfigure(next)
    },
    numbered: () => numberedFor(running.plan()),
    setMarks: (next) => {
      marks = next
    },
    markOf: ({ id }) => marks.get(id),
    marksNamed: (name) => {
      const { servers, departed } = running.plan()
      return [...servers, ...departed].filter(({ server }) => server === name).flatMap(({ id }) => marks.get(id) ?? [])
    },
    places: () => running.plan().servers,
    isPanicking: () => running.targets().isPanicking,
    look: () => {
      tellEmptied()
      if (inherited.size > 0 && isKnown(running.plan())) inherited = new Set()
      const targets = running.targets()
      const full = targets.targets.filter(({ id, maximumSessions: most }) => most > 0 && sessionsAt(id) >= most)
      const parts = [[isFull(), inherited.size], full.map(({ id }) => id), [...factors.values()]]
      const now = parts.map((part) => part.join()).join(' ')
      const isOther = now !== shown || targets !== shownTargets
      shown = now
      shownTargets = targets
      return isOther
    },
    weigh: () => {
      const { targets } = running.targets()
      const loads = targets.map(({ id, server, weight }) => ({ server, weight, sessions: sessionsAt(id) }))
      factors = config.balance === 'leastconn' ? nextFactors(loads, factors) : new Map()
    },
    stop: () => {
      words.stop()
      running.stop()
    },
  }
}
