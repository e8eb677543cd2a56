// One other balancer: which connection to it counts, when it is tried again, when it is dead. `step(state, event) -> [state,
// effects]`; both sides connect, and of two connections both keep the same one.

import { type Millis, millis } from '../../core/time.ts'
import { type Hello, type PeerMessage, type PeerTable, protocol } from './messages.ts'

/** Who speaks: its router_id, and a random number that another start has otherwise. */
export type Speaker = { readonly routerId: string; readonly instance: string }

/** A connection whose both ends have shown that they have the key. */
export type Link = {
  readonly id: number
  readonly direction: 'in' | 'out'
  readonly since: Millis
  readonly heardAt: Millis
  readonly spokeAt: Millis
  readonly hello: Hello | null
  readonly tables: ReadonlyMap<string, PeerTable>
}

export type PeerState = {
  readonly self: Speaker
  readonly own: readonly PeerTable[]
  /** Addresses that VRRP moves and that are on this host now. */
  readonly holds: readonly string[]
  readonly links: readonly Link[]
  /** The one by which exceptions are told. */
  readonly current: number | null
  /** When a connect that is under way is given up. */
  readonly attemptEnds: Millis | null
  readonly nextAttempt: Millis | null
  readonly failures: number
}

/** `random` is from 0 to 1, for what must not happen on all balancers at once. */
export type PeerEvent = { readonly now: Millis } & (
  | { readonly type: 'deadline-reached'; readonly random: number }
  | { readonly type: 'connected'; readonly link: number; readonly direction: 'in' | 'out' }
  | { readonly type: 'attempt-failed'; readonly why: string; readonly random: number }
  | { readonly type: 'closed'; readonly link: number; readonly why: string; readonly random: number }
  | { readonly type: 'heard'; readonly link: number }
  | { readonly type: 'message-received'; readonly link: number; readonly message: PeerMessage; readonly random: number }
  | { readonly type: 'own-tables-changed'; readonly own: readonly PeerTable[] }
  | { readonly type: 'own-addresses-changed'; readonly holds: readonly string[] }
  | { readonly type: 'stop-requested' }
)

/**
 * `up`: this connection counts from now on, and nothing has been told by it; `tables`: those of the other one are all here, or
 * others; `holds`: the addresses that it has; `down`: none counts any more; `trouble`: none could be made; `pass-on`: a message about exceptions.
 */
export type PeerEffect =
  | { readonly do: 'connect' }
  | { readonly do: 'abandon-attempt' }
  | { readonly do: 'send'; readonly link: number; readonly message: PeerMessage }
  | { readonly do: 'close'; readonly link: number; readonly why: string }
  | { readonly do: 'up'; readonly link: number; readonly routerId: string }
  | { readonly do: 'tables'; readonly tables: readonly PeerTable[] }
  | { readonly do: 'holds'; readonly addresses: readonly string[] }
  | { readonly do: 'pass-on'; readonly message: Extract<PeerMessage, { type: 'told' | 'gone' | 'synced' }> }
  | { readonly do: 'down'; readonly why: string }
  | { readonly do: 'trouble'; readonly why: string }
  | { readonly do: 'count-unexpected' }

type Step = readonly [PeerState, readonly PeerEffect[]]

const beatInterval = millis(500)
/** A peer that is silent for so long hangs, or is cut off. */
export const silenceLimit = millis(2000)
export const attemptLimit = millis(3000)
const helloLimit = 3000
const shortestPause = 250
const longestPause = 5000

/** Why a connection ends that another one makes superfluous; nothing was lost. */
const superfluous = 'another connection takes its place'
const goodbye = 'it stops'

/** A peer that nothing is known of; the first attempt is due at once. */
export const initialPeer = (self: Speaker, own: readonly PeerTable[], now: Millis): PeerState => ({
  self,
  own,
  holds: [],
  links: [],
  current: null,
  attemptEnds: null,
  nextAttempt: now,
  failures: 0,
})

/** What happens next. */
export const step = (state: PeerState, event: PeerEvent): Step => {
  switch (event.type) {
    case 'deadline-reached':
      return onDeadline(state, event.now, event.random)
    case 'connected':
      return onConnected(state, event)
    case 'attempt-failed':
      if (state.attemptEnds === null) return [state, []]
      return [later({ ...state, attemptEnds: null }, event), troubleOf(state, event.why)]
    case 'closed': {
      const [next, effects] = without(state, event.link, event.why, event)
      return [next, effects]
    }
    case 'heard':
      return [withLink(state, event.link, { heardAt: event.now }), []]
    case 'message-received':
      return onMessage(withLink(state, event.link, { heardAt: event.now }), event)
    case 'own-tables-changed':
      return onOwnTables(state, event.own, event.now)
    case 'own-addresses-changed':
      return [{ ...state, holds: event.holds }, []]
    case 'stop-requested': {
      const abandoned: readonly PeerEffect[] = state.attemptEnds === null ? [] : [{ do: 'abandon-attempt' }]
      const closed = state.links.map(({ id }): PeerEffect => ({ do: 'close', link: id, why: goodbye }))
      return [{ ...state, links: [], current: null, attemptEnds: null, nextAttempt: null }, [...abandoned, ...closed]]
    }
    default:
      return event satisfies never
  }
}

/** When the next `deadline-reached` is due; an early one changes nothing. */
export const nextDeadline = ({ links, attemptEnds, nextAttempt }: PeerState): Millis | null => {
  const deadlines = [
    ...(attemptEnds === null ? [] : [attemptEnds]),
    ...(nextAttempt === null ? [] : [nextAttempt]),
    ...links.flatMap((link) => [endOf(link), link.spokeAt + beatInterval]),
  ]
  return deadlines.length === 0 ? null : millis(Math.min(...deadlines))
}

const endOf = ({ hello, since, heardAt }: Link): number =>
  hello === null ? Math.min(since + helloLimit, heardAt + silenceLimit) : heardAt + silenceLimit

const withLink = (state: PeerState, id: number, change: Partial<Link>): PeerState => ({
  ...state,
  links: state.links.map((link) => (link.id === id ? { ...link, ...change } : link)),
})

/** The next attempt, ever later; with jitter, lest two that lost each other try in step for ever. */
const later = (state: PeerState, { now, random }: { readonly now: Millis; readonly random: number }): PeerState => {
  const pause = Math.min(longestPause, shortestPause * 2 ** Math.min(state.failures, 10)) * (0.5 + random / 2)
  return { ...state, failures: state.failures + 1, nextAttempt: millis(now + pause) }
}

const troubleOf = (state: PeerState, why: string): readonly PeerEffect[] =>
  state.current === null ? [{ do: 'trouble', why }] : []

const onDeadline = (state: PeerState, now: Millis, random: number): Step => {
  const effects: PeerEffect[] = []
  let next = state
  for (const link of state.links) {
    if (endOf(link) > now) continue
    const why = link.hello === null ? 'it does not say who it is' : `silent for ${silenceLimit / 1000} s`
    const [after, told] = without(next, link.id, why, { now, random })
    next = after
    effects.push({ do: 'close', link: link.id, why }, ...told)
  }
  for (const link of next.links) {
    if (link.spokeAt + beatInterval > now) continue
    next = withLink(next, link.id, { spokeAt: now })
    effects.push({ do: 'send', link: link.id, message: beatOf(state) })
  }
  if (next.attemptEnds !== null && next.attemptEnds <= now) {
    const why = `no answer within ${attemptLimit / 1000} s: its host is off, or a firewall drops TCP to this port`
    effects.push({ do: 'abandon-attempt' }, ...troubleOf(next, why))
    next = later({ ...next, attemptEnds: null }, { now, random })
  }
  if (next.nextAttempt !== null && next.nextAttempt <= now) {
    // A connection that has just come in may be the answer.
    const isNeeded = next.links.length === 0
    next = { ...next, nextAttempt: null, attemptEnds: isNeeded ? millis(now + attemptLimit) : null }
    if (isNeeded) effects.push({ do: 'connect' })
  }
  return [next, effects]
}

const beatOf = ({ holds }: PeerState): PeerMessage => (holds.length === 0 ? { type: 'beat' } : { type: 'beat', holds })

const onConnected = (state: PeerState, event: Extract<PeerEvent, { type: 'connected' }>): Step => {
  const { now, link: id, direction } = event
  const link: Link = { id, direction, since: now, heardAt: now, spokeAt: now, hello: null, tables: new Map() }
  const attemptEnds = direction === 'out' ? null : state.attemptEnds
  return [{ ...state, attemptEnds, links: [...state.links, link] }, introduction(state, id)]
}

const introduction = ({ self, own }: PeerState, link: number): readonly PeerEffect[] => [
  { do: 'send', link, message: helloOf(self, own) },
  ...own.map((table): PeerEffect => ({ do: 'send', link, message: { type: 'table', ...table } })),
]

const helloOf = (self: Speaker, own: readonly PeerTable[]): Hello => ({
  type: 'hello',
  protocol,
  ...self,
  listeners: own.map(({ table }) => table.listener),
})

/** A connection is over. The next attempt follows when it was the last one. */
const without = (
  state: PeerState,
  id: number,
  why: string,
  at: { readonly now: Millis; readonly random: number },
): Step => {
  const gone = state.links.find((link) => link.id === id)
  if (gone === undefined) return [state, []]
  const links = state.links.filter((link) => link.id !== id)
  const wasCurrent = state.current === id
  const left: PeerState = { ...state, links, current: wasCurrent ? null : state.current }
  const heir = wasCurrent ? links.find(({ hello }) => hello !== null) : undefined
  if (heir !== undefined) return adopt(left, heir)
  const effects: readonly PeerEffect[] = wasCurrent ? [{ do: 'down', why }] : troubleOf(left, why)
  const isAlone = links.length === 0 && left.attemptEnds === null && left.nextAttempt === null
  return [isAlone ? later(left, at) : left, effects]
}

const onMessage = (state: PeerState, event: Extract<PeerEvent, { type: 'message-received' }>): Step => {
  const { message, link: id } = event
  const link = state.links.find((one) => one.id === id)
  if (link === undefined) return [state, []]
  switch (message.type) {
    case 'beat':
      return [state, state.current === id ? [{ do: 'holds', addresses: message.holds ?? [] }] : []]
    case 'bye': {
      const isCheap = message.why === superfluous
      const [next, effects] = without(state, id, isCheap ? 'it closed the connection' : message.why, event)
      // Where another program with its name has taken its place, it tries seldom.
      const patient = isCheap && next.nextAttempt !== null ? millis(event.now + longestPause) : next.nextAttempt
      return [{ ...next, nextAttempt: patient }, [{ do: 'close', link: id, why: goodbye }, ...effects]]
    }
    case 'hello':
      return onHello(state, link, message, event)
    case 'table': {
      if (link.hello === null || !link.hello.listeners.includes(message.table.listener)) return unexpected(state)
      const tables = new Map(link.tables).set(message.table.listener, {
        table: message.table,
        established: message.established,
        servers: message.servers,
      })
      const next = withLink(state, id, { tables })
      return [next, state.current === id ? tablesOf({ ...link, tables }) : []]
    }
    case 'told':
    case 'gone':
    case 'synced':
      return state.current === id ? [state, [{ do: 'pass-on', message }]] : unexpected(state)
    default:
      return message satisfies never
  }
}

const unexpected = (state: PeerState): Step => [state, [{ do: 'count-unexpected' }]]

/** Nothing as long as one is missing that was announced. */
const tablesOf = ({ hello, tables }: Pick<Link, 'hello' | 'tables'>): readonly PeerEffect[] => {
  const listeners = hello?.listeners ?? []
  const known = listeners.flatMap((listener) => tables.get(listener) ?? [])
  return hello === null || known.length < listeners.length ? [] : [{ do: 'tables', tables: known }]
}

const onHello = (
  before: PeerState,
  link: Link,
  hello: Hello,
  at: { readonly now: Millis; readonly random: number },
): Step => {
  if (hello.instance === before.self.instance) {
    const why = 'it is this balancer itself: name the other ones in peers.to'
    const [next, effects] = without(before, link.id, why, at)
    return [next, [{ do: 'close', link: link.id, why: superfluous }, ...effects]]
  }
  const tables = new Map([...link.tables].filter(([listener]) => hello.listeners.includes(listener)))
  const state = withLink(before, link.id, { hello, tables })
  if (state.current === link.id) return [state, tablesOf({ hello, tables })]
  const current = state.links.find(({ id }) => id === state.current)
  const known = { ...link, hello, tables }
  if (current === undefined) return adopt(state, known)
  const loser = wins(state.self, known, current) ? current : known
  const left: PeerState = { ...state, links: state.links.filter(({ id }) => id !== loser.id) }
  const closed: PeerEffect = { do: 'close', link: loser.id, why: superfluous }
  if (loser === known) return [left, [closed]]
  const [next, effects] = adopt(left, known)
  return [next, [...effects, closed]]
}

/** Whether a newer connection takes the place of an older one; both ends see it alike. */
const wins = (self: Speaker, newer: Link & { readonly hello: Hello }, older: Link): boolean => {
  // Of another start of the other one: the older connection is dead.
  if (newer.hello.instance !== older.hello?.instance || newer.direction === older.direction) return true
  const isFirst = `${self.routerId} ${self.instance}` < `${newer.hello.routerId} ${newer.hello.instance}`
  return newer.direction === (isFirst ? 'out' : 'in')
}

const adopt = (state: PeerState, link: Link): Step => [
  { ...state, current: link.id, failures: 0, nextAttempt: null },
  [{ do: 'up', link: link.id, routerId: link.hello?.routerId ?? '' }, ...tablesOf(link)],
]

const onOwnTables = (state: PeerState, own: readonly PeerTable[], now: Millis): Step => {
  const before = new Map(state.own.map((one) => [one.table.listener, JSON.stringify(one)]))
  const isSameList = own.length === before.size && own.every(({ table }) => before.has(table.listener))
  const changed = own.filter((one) => before.get(one.table.listener) !== JSON.stringify(one))
  const words: readonly PeerMessage[] = [
    ...(isSameList ? [] : [helloOf(state.self, own)]),
    ...changed.map((table): PeerMessage => ({ type: 'table', ...table })),
  ]
  const effects = state.links.flatMap(({ id }) =>
    words.map((message): PeerEffect => ({ do: 'send', link: id, message })),
  )
  const links = words.length === 0 ? state.links : state.links.map((link) => ({ ...link, spokeAt: now }))
  return [{ ...state, own, links }, effects]
}
