// Which server of a listener takes a new session.

import { pickRoundRobin, type RoundRobin } from './round-robin.ts'

/** A server as the choice sees it. `maximumSessions` 0 means no limit. */
export type ChoosableServer = {
  readonly name: string
  readonly weight: number
  readonly up: boolean
  readonly sessions: number
  readonly maximumSessions: number
}

/** The chosen server, or why there is none: all that are up are full, or none is up (or left to try). */
export type Choice<S> =
  | { readonly kind: 'server'; readonly server: S; readonly state: RoundRobin }
  | { readonly kind: 'full' }
  | { readonly kind: 'none-up' }

/** Chooses among the servers that are up, have room and were not tried by this session yet. */
export const chooseServer = <S extends ChoosableServer>(
  state: RoundRobin,
  servers: readonly S[],
  tried: ReadonlySet<string>,
): Choice<S> => {
  const usable = servers.filter((server) => server.up && server.weight > 0 && !tried.has(server.name))
  if (usable.length === 0) return { kind: 'none-up' }
  const withRoom = usable.filter((server) => server.maximumSessions === 0 || server.sessions < server.maximumSessions)
  const next = pickRoundRobin(state, withRoom)
  return next.picked === undefined ? { kind: 'full' } : { kind: 'server', server: next.picked, state: next.state }
}
