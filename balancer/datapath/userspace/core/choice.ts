// Which of the servers that take sessions takes this one.

import type { Balance } from '../../../config/schema.ts'
import { pickRoundRobin, type RoundRobin } from '../../core/round-robin.ts'
import { type Loaded, pickLeastLoaded, pickOfTwo } from './least-loaded.ts'
import { pickBySource } from './source-hash.ts'

/**
 * A server that takes sessions, as the plan has it (`Target`), with those it has. `maximumSessions` 0 means no limit.
 */
export type ChoosableServer = Loaded & { readonly maximumSessions: number }

/**
 * Who asks. `tried` are servers that this client could not connect to, `only` the one that it has to try again (without
 * redispatch).
 */
export type Asking = {
  readonly client: string
  readonly tried: ReadonlySet<string>
  readonly only: string | null
  readonly random: () => number
}

/** The chosen server, or why there is none: all that may take it are full, all were tried, or none takes sessions. */
export type Choice<S> =
  | { readonly kind: 'server'; readonly server: S; readonly state: RoundRobin }
  | { readonly kind: 'full' }
  | { readonly kind: 'none-left' }
  | { readonly kind: 'none-up' }

/** Chooses among the servers that take sessions now. */
export const chooseServer = <S extends ChoosableServer>(
  state: RoundRobin,
  targets: readonly S[],
  balance: Balance,
  { client, tried, only, random }: Asking,
): Choice<S> => {
  const able = only === null ? targets : targets.filter(({ name }) => name === only)
  if (able.length === 0) return { kind: 'none-up' }
  const untried = tried.size === 0 ? able : able.filter(({ name }) => !tried.has(name))
  if (untried.length === 0) return { kind: 'none-left' }
  if (balance === 'source') {
    // A client belongs to its server: it waits for room there rather than go elsewhere, as in HAProxy.
    const server = pickBySource(client, untried)
    return server !== undefined && hasRoom(server) ? { kind: 'server', server, state } : { kind: 'full' }
  }
  const next = pick(state, untried.filter(hasRoom), balance, random)
  return next.picked === undefined ? { kind: 'full' } : { kind: 'server', server: next.picked, state: next.state }
}

const hasRoom = ({ maximumSessions, sessions }: ChoosableServer): boolean =>
  maximumSessions === 0 || sessions < maximumSessions

type Picked<S> = { readonly picked: S | undefined; readonly state: RoundRobin }

const pick = <S extends ChoosableServer>(
  state: RoundRobin,
  servers: readonly S[],
  balance: Exclude<Balance, 'source'>,
  random: () => number,
): Picked<S> => {
  switch (balance) {
    case 'roundrobin':
      return pickRoundRobin(state, servers)
    case 'leastconn':
      return pickLeastLoaded(state, servers)
    case 'random':
      return { picked: pickOfTwo(servers, random), state }
    case 'first':
    case 'single':
      return { picked: servers[0], state }
    default:
      return balance satisfies never
  }
}
