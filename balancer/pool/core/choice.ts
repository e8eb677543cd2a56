// Which server of a listener takes a new session.

import type { Balance } from '../../config/schema.ts'
import { type Loaded, pickLeastLoaded, pickOfTwo } from './least-loaded.ts'
import { pickRoundRobin, type RoundRobin } from './round-robin.ts'
import { pickBySource } from './source-hash.ts'

/**
 * A server as the choice sees it. `usable` takes new sessions; `lastResort` is one that fails its checks but that nobody
 * took out: the panic threshold may use it. `weight` may be a fraction while a server starts slowly. `maximumSessions` 0
 * means no limit.
 */
export type ChoosableServer = Loaded & {
  readonly usable: boolean
  readonly lastResort: boolean
  readonly backup: boolean
  readonly maximumSessions: number
}

/** How a listener chooses. */
export type Rules = {
  readonly balance: Balance
  readonly allBackups: boolean
  readonly panicThreshold: number
}

/**
 * Who asks. `tried` are servers that this client could not connect to, `only` the one that it has to try again (without
 * redispatch); `writer` matters to `single` only.
 */
export type Asking = {
  readonly client: string
  readonly tried: ReadonlySet<string>
  readonly only: string | null
  readonly writer: string | null
  readonly random: () => number
}

/** The chosen server, or why there is none: all that may take it are full, all were tried, or none takes sessions. */
export type Choice<S> =
  | { readonly kind: 'server'; readonly server: S; readonly state: RoundRobin }
  | { readonly kind: 'full' }
  | { readonly kind: 'none-left' }
  | { readonly kind: 'none-up' }

/** Chooses a server for a session. */
export const chooseServer = <S extends ChoosableServer>(
  state: RoundRobin,
  servers: readonly S[],
  rules: Rules,
  asking: Asking,
): Choice<S> => {
  const { only, tried } = asking
  const able = candidates(servers, rules, asking.writer).filter(({ name }) => only === null || name === only)
  if (able.length === 0) return { kind: 'none-up' }
  const untried = able.filter(({ name }) => !tried.has(name))
  if (untried.length === 0) return { kind: 'none-left' }
  if (rules.balance === 'source') {
    // A client belongs to its server: it waits for room there rather than go elsewhere, as in HAProxy.
    const server = pickBySource(asking.client, untried)
    return server !== undefined && hasRoom(server) ? { kind: 'server', server, state } : { kind: 'full' }
  }
  const next = pick(state, untried.filter(hasRoom), rules.balance, asking.random)
  return next.picked === undefined ? { kind: 'full' } : { kind: 'server', server: next.picked, state: next.state }
}

/** Whether so few servers pass that the listener uses all that nobody took out. */
export const isPanicking = (servers: readonly ChoosableServer[], { panicThreshold }: Rules): boolean =>
  servers.filter(({ usable }) => usable).length < Math.min(panicThreshold, servers.length)

/** The servers that may take sessions now: the active ones, else the first backup or all of them. */
const candidates = <S extends ChoosableServer>(
  servers: readonly S[],
  rules: Rules,
  writer: string | null,
): readonly S[] => {
  if (rules.balance === 'single') return servers.filter(({ name, usable }) => usable && name === writer)
  const isPanic = isPanicking(servers, rules)
  const usable = servers.filter((server) => server.usable || (isPanic && server.lastResort))
  if (isPanic) return usable
  const active = usable.filter(({ backup }) => !backup)
  if (active.length > 0) return active
  return rules.allBackups ? usable : usable.slice(0, 1)
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
