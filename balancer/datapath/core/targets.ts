// Which servers of a listener take new sessions now, and how much of them.

import type { ListenerConfig } from '../../config/schema.ts'
import { type Millis, millis } from '../../core/time.ts'
import type { ServerHealthFact } from '../../pool/core/facts.ts'
import { takesSessions } from '../../pool/core/server-state.ts'
import { nextStep, slowStartShare } from '../../pool/core/slow-start.ts'
import { hasAny, type Place, type PlannedServer, placeOf } from './planned-server.ts'

/** A server that takes sessions. `weight` is above 0, a fraction while it starts slowly; `maximumSessions` 0 is no limit. */
export type Target = Place & { readonly weight: number; readonly maximumSessions: number }

/**
 * All of them, in the order of the file. `isPanicking`: so few pass that all serve which nobody took out. `isHandingOver`: the
 * writer gets no session yet, since another server may still have one. `changesAt`: when weights change by themselves.
 */
export type Targets = {
  readonly targets: readonly Target[]
  readonly isPanicking: boolean
  readonly isHandingOver: boolean
  readonly changesAt: Millis | null
}

/** What is known of a listener. */
export type Known = {
  readonly config: ListenerConfig
  readonly writer: string | null
  readonly servers: readonly PlannedServer[]
}

/** The servers that take sessions at a moment. */
export const targetsAt = (known: Known, at: Millis): Targets => {
  const { slow_start: slowStart } = known.config
  const taking = takingServers(known)
  const steps = taking.flatMap(({ upAt }) => {
    const step = nextStep(slowStart, millis(at - upAt))
    return step === null ? [] : [upAt + step]
  })
  return {
    targets: taking.map((server) => ({
      ...placeOf(server),
      weight: server.fact.weight * slowStartShare(slowStart, millis(at - server.upAt)),
      maximumSessions: server.fact.maximumSessions,
    })),
    isPanicking: isPanicking(known),
    isHandingOver: isHandingOver(known),
    changesAt: steps.length === 0 ? null : millis(Math.min(...steps)),
  }
}

type Heard = PlannedServer & { readonly fact: ServerHealthFact }

/** The servers that take sessions: the writer, or the active ones, else the first backup or all of them. */
export const takingServers = (known: Known): readonly Heard[] => {
  const { config, writer, servers } = known
  const heard = servers.filter((server): server is Heard => server.fact !== null)
  const usable = heard.filter(({ fact }) => takesSessions(fact))
  if (config.balance === 'single') {
    return isHandingOver(known) ? [] : usable.filter(({ server }) => server === writer)
  }
  if (isPanicking(known)) return heard.filter(({ fact }) => takesSessions(fact) || isLastResort(fact))
  const active = usable.filter(({ fact }) => !fact.backup)
  if (active.length > 0) return active
  return config.all_backups ? usable : usable.slice(0, 1)
}

/** Whether so few servers pass that the listener uses all that nobody took out; one writer has no such thing. */
const isPanicking = ({ config, servers }: Known): boolean =>
  config.balance !== 'single' &&
  servers.filter(({ fact }) => fact !== null && takesSessions(fact)).length <
    Math.min(config.panic_threshold, servers.length)

/** It fails its checks, but nobody took it out. */
const isLastResort = ({ admin, refusing, draining, weight }: ServerHealthFact): boolean =>
  admin === 'ready' && !refusing && !draining && weight > 0

/** The new writer gets no session as long as another server can have one. */
const isHandingOver = ({ config, writer, servers }: Known): boolean =>
  config.balance === 'single' && servers.some((server) => server.server !== writer && hasAny(server))
