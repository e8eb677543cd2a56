// Whether this host serves: what VRRP tracks by default (DESIGN 3). Pure: facts and moments come in, a verdict goes out.

import type { ListenerConfig } from '../../config/schema.ts'
import { isUnspecified } from '../../core/address-kind.ts'
import { endpointText, takesIn } from '../../core/endpoint.ts'
import { forwarderOf, holdsSessions } from '../../core/forwarders.ts'
import { type Millis, millis } from '../../core/time.ts'
import type { Fact, HeartbeatFact } from '../../pool/core/facts.ts'
import { createPool, type LivePool, serverKey } from '../../pool/core/pool.ts'
import { isUnchecked, isWorking, wentByOrder } from '../../pool/core/server-state.ts'

type Watched = HeartbeatFact['process']

/** How a process is doing: last heard, and since when it is known to be dead. */
type Pulse = { readonly heardAt: Millis | null; readonly diedAt: Millis | null }

/** A bind that should be open: since when it is not, and when it last was not; `text` says why. */
type Trouble = { readonly since: Millis; readonly last: Millis; readonly text: string; readonly isConfirmed: boolean }

/** Whether a listener has a server, since when it is so, and what is told of it meanwhile. Null: not known. */
type Supply = { readonly ok: boolean | null; readonly since: Millis; readonly told: boolean | null }

/**
 * All that was heard. Binds in trouble are kept by listener and endpoint, supplies by listener; the pool is shared by one
 * state and the next, for health facts are too many to copy it.
 */
export type Known = {
  readonly startedAt: Millis
  readonly pulses: ReadonlyMap<Watched, Pulse>
  readonly troubles: ReadonlyMap<string, Trouble>
  readonly supplies: ReadonlyMap<string, Supply>
  readonly pool: LivePool
}

/** The state of one question; `text` says why. */
export type Verdict = { readonly ok: boolean; readonly text: string }

/**
 * `host`: this host forwards. `servers`: a server is there to forward to; null: not known before the first checks.
 * `lookAgainAt`: the next moment that matters.
 */
export type Serving = {
  readonly host: Verdict
  readonly servers: { readonly ok: boolean | null; readonly text: string }
  readonly lookAgainAt: Millis | null
}

/** What no server up takes off the priority: the status page is needed most then, so it is no fault. */
export const noServerWeight = -50

/** So long after the start silence is no failure. */
const startGrace = millis(3000)
const silenceLimit = millis(3000)
/** One that died is being started again, which takes ten seconds on a very busy host: a hand-over would cost every session. */
const restartLimit = millis(20_000)
/** What dies may be back, and what is to open may open, within so long. */
const shortGrace = millis(500)
/** A bind that failed is not trusted again before: else this host would be master and fault in turn. */
const latchTime = millis(60_000)
/** An answer of the agent may be so old. */
const oldestAnswer = 500
/** Clients may be told to wait for minutes: an address does not. */
const longestWait = 10_000

const neverHeard: Pulse = { heardAt: null, diedAt: null }
const pulseOf = ({ pulses }: Known, process: Watched): Pulse => pulses.get(process) ?? neverHeard

/** Before any fact. */
export const nothingKnown = (at: Millis): Known => ({
  startedAt: at,
  pulses: new Map(),
  troubles: new Map(),
  supplies: new Map(),
  pool: createPool(),
})

/** After a fact that was heard at a moment. */
export const withFact = (known: Known, fact: Fact, at: Millis): Known => {
  switch (fact.fact) {
    case 'heartbeat': {
      const { heardAt, diedAt } = pulseOf(known, fact.process)
      const said = millis(Math.min(fact.at, at))
      const heard = millis(Math.max(said, heardAt ?? said))
      return withPulse(known, fact.process, {
        heardAt: heard,
        diedAt: diedAt !== null && said > diedAt ? null : diedAt,
      })
    }
    case 'process': {
      if (fact.process === 'vrrp' || fact.running) return known
      const pulse = pulseOf(known, fact.process)
      return withPulse(known, fact.process, { ...pulse, diedAt: pulse.diedAt ?? millis(Math.min(fact.at, at)) })
    }
    case 'listener':
    case 'server-health':
      known.pool.hear(fact)
      return known
    default:
      return known
  }
}

const withPulse = (known: Known, process: Watched, pulse: Pulse): Known => ({
  ...known,
  pulses: new Map(known.pulses).set(process, pulse),
})

/**
 * After a look at which listeners have a server. Two hosts that see the same may say different things for a while, for each
 * checks at its own moments; an address must not move for that, nor under clients that wait. So who holds the addresses of a
 * listener believes an outage late and its end at once, and who does not the other way round.
 */
export const withSupplies = (
  known: Known,
  listeners: readonly ListenerConfig[],
  holds: (listener: ListenerConfig) => boolean,
  at: Millis,
): Known => ({
  ...known,
  supplies: new Map(
    listeners.map((listener) => {
      const ok = hasServer(known.pool, listener)
      const earlier = known.supplies.get(listener.name)
      const supply = { ok, since: earlier?.ok === ok ? earlier.since : at }
      const isDoubted = at < settlesAt(listener, supply) && ok === !holds(listener)
      return [listener.name, { ...supply, told: isDoubted && earlier !== undefined ? earlier.told : ok }] as const
    }),
  ),
})

/**
 * After a look at the binds of all listeners. A bind is in trouble while its address is here and it is not open; in user space
 * one whose address is not here waits, and keeps the trouble that it had. `isHere` tells which addresses this host holds.
 */
export const withBinds = (
  known: Known,
  listeners: readonly ListenerConfig[],
  isHere: (address: string) => boolean,
  at: Millis,
): Known => {
  const troubles = new Map<string, Trouble>()
  for (const listener of listeners) {
    const told = known.pool.listeners.get(listener.name)
    const states = told?.binds ?? []
    for (const bind of listener.bind) {
      const shown = endpointText(bind)
      const key = bindKey(listener.name, shown)
      const before = known.troubles.get(key)
      const state = states.find((one) => one.address === shown)
      if (state?.open) continue
      // Nothing was heard of it so soon after the start: it may well be open.
      if (state === undefined && at < known.startedAt + startGrace) continue
      const place = isUnspecified(bind.address) || isHere(bind.address) ? ' although its address is here' : ''
      if (place !== '' || isReadyBefore(told ?? listener))
        troubles.set(key, troubled(before, `${shown} is not open${place}`, state?.why ?? null, at))
      else if (before !== undefined && isConfirmed(before, before.last)) {
        if (at - before.last < latchTime) troubles.set(key, { ...before, isConfirmed: true })
      }
    }
  }
  return { ...known, troubles }
}

/** Rules of the kernel wait for no address: where they are missing it must not come. */
const isReadyBefore = ({ datapath }: Pick<ListenerConfig, 'datapath'>): boolean => !holdsSessions(forwarderOf(datapath))

const bindKey = (listener: string, shown: string): string => `${listener} ${shown}`

const troubled = (before: Trouble | undefined, text: string, why: string | null, at: Millis): Trouble => ({
  since: before?.since ?? at,
  last: at,
  text: `${text}${why === null ? '' : ` (${why})`}`,
  isConfirmed: before !== undefined && isConfirmed(before, at),
})

const isConfirmed = (trouble: Trouble, at: Millis): boolean => trouble.isConfirmed || at - trouble.since >= shortGrace

/** The listeners that forward what comes to one of these addresses. */
export const concernedListeners = (
  listeners: readonly ListenerConfig[],
  addresses: ReadonlySet<string>,
): readonly ListenerConfig[] =>
  listeners.filter(({ bind }) =>
    bind.some((bound) => [...addresses].some((address) => takesIn(bound.address, address))),
  )

/**
 * What is known means this for the listeners that concern a router. The director and the forwarder of each of them have to
 * be heard from. A forwarder that held the sessions itself is missed as soon as it is dead; what goes on without its process
 * waits for the next one, since a hand-over would cost the sessions.
 */
export const servingOf = (known: Known, concerned: readonly ListenerConfig[], at: Millis): Serving => {
  const { startedAt, troubles } = known
  const silent = (process: Watched): Question => silence(process, pulseOf(known, process), startedAt)
  const forwarding = [...new Set(concerned.map(({ datapath }) => forwarderOf(datapath)))]
  const graceEndsAt = millis(startedAt + startGrace)
  const questions: readonly Question[] = [
    silent('director'),
    ...forwarding.map(silent),
    ...forwarding.filter(holdsSessions).map((forwarder) => death(forwarder, pulseOf(known, forwarder))),
    ...concerned.flatMap(({ name, bind }) =>
      bind.map((one) => trouble(name, troubles.get(bindKey(name, endpointText(one))))),
    ),
  ]
  const failing = questions.filter(({ failsAt }) => failsAt !== null && failsAt <= at)
  const next = [
    ...(at < graceEndsAt ? [graceEndsAt] : []),
    ...questions.flatMap(({ failsAt, endsAt }) => [failsAt, endsAt]),
    ...concerned.map((listener) => {
      const supply = known.supplies.get(listener.name)
      return supply === undefined ? null : settlesAt(listener, supply)
    }),
  ].filter((moment) => moment !== null && moment > at)
  return {
    host: { ok: failing.length === 0, text: failing.map(({ text }) => text).join('; ') || 'this host serves' },
    servers: serversOf(known, concerned),
    lookAgainAt: next.length === 0 ? null : millis(Math.min(...next.map(Number))),
  }
}

/** Something that fails from a moment on unless news comes; `endsAt`: when a failure is forgotten. */
type Question = { readonly failsAt: Millis | null; readonly endsAt: Millis | null; readonly text: string }

const silence = (process: Watched, { heardAt, diedAt }: Pulse, startedAt: Millis): Question => {
  const [since, limit, what] =
    diedAt === null
      ? ([heardAt ?? startedAt, silenceLimit, 'has not been heard'] as const)
      : ([diedAt, restartLimit, 'died and has not been back'] as const)
  return { failsAt: millis(since + limit), endsAt: null, text: `the process ${process} ${what} for ${limit / 1000} s` }
}

const death = (process: Watched, { diedAt }: Pulse): Question => ({
  failsAt: diedAt === null ? null : millis(diedAt + shortGrace),
  endsAt: null,
  text: `the process ${process} died and is not back`,
})

const trouble = (listener: string, found: Trouble | undefined): Question => ({
  failsAt: found === undefined ? null : found.isConfirmed ? found.since : millis(found.since + shortGrace),
  endsAt: found === undefined ? null : millis(found.last + latchTime),
  text: `listener ${listener}: ${found?.text ?? ''}`,
})

/**
 * Only where every server has had its first check: neither host may see an outage too early. What an operator took out is no
 * outage of this host: a server that works counts whether it is wanted or not, and where the last one to go went by an order,
 * nothing failed.
 */
const hasServer = (pool: LivePool, { name, servers }: ListenerConfig): boolean | null => {
  const facts = servers.map((server) => pool.servers.get(serverKey(name, server.name)))
  const known = facts.filter((fact) => fact !== undefined)
  if (known.some(isWorking) || wentByOrder(known)) return true
  return known.length < facts.length || known.some(isUnchecked) ? null : false
}

/** When the other host has seen the same for sure, and nobody waits any more who came before. */
const settlesAt = ({ check, timeouts }: ListenerConfig, { since }: Pick<Supply, 'since'>): Millis => {
  const checks = check.map((one) => {
    const interval = Math.max(one.interval, one.down_interval ?? 0)
    // An agent is sure with its first answer; other checks may take all that `fall` asks for.
    return one.type === 'http' ? interval : interval * one.fall
  })
  const seen = Math.max(...checks) + oldestAnswer
  return millis(since + Math.max(seen, Math.min(timeouts.queue, longestWait)))
}

const serversOf = ({ supplies }: Known, concerned: readonly ListenerConfig[]): Serving['servers'] => {
  const verdicts = concerned.map(({ name }) => ({ name, told: supplies.get(name)?.told ?? null }))
  const names = verdicts.flatMap(({ name, told }) => (told === false ? [name] : [])).join(', ')
  if (names !== '') return { ok: false, text: `listener ${names} has no server available` }
  return { ok: verdicts.some(({ told }) => told === null) ? null : true, text: '' }
}
