// What another balancer has been told by one connection, or has told itself: from that follows what it has to hear next.
// A hundred thousand entries leave no time to copy them, so this is a book that is written in.

import { type Millis, millis } from '../../core/time.ts'
import type { SessionException, SessionOfClient, SessionOver } from '../../pool/core/session-exception.ts'
import { type SessionMessage, sessionsInLine } from './messages.ts'

/** What is to be said next: null is nothing for now. `isDone`: all that was offered has been said. */
export type NextWords = { readonly message: SessionMessage | null; readonly isDone: boolean }

export type ToldBook = {
  /** All exceptions as they are now; they take the place of those before. */
  readonly offer: (exceptions: readonly SessionException[], now: Millis) => void
  /** Looks at so many entries at most, and says what there is to say of them in one line. */
  readonly next: (now: Millis, most: number) => NextWords
  /** The other one told these: it has them. */
  readonly hasTold: (exceptions: readonly SessionException[], now: Millis) => void
  /** The other one has these no more. */
  readonly hasNot: (sessions: readonly SessionOfClient[]) => void
  /** Of these the other one knows less: they are told, whatever is offered. */
  readonly correct: (sessions: readonly SessionException[], now: Millis) => void
  /** It takes these for sessions, and they are over. */
  readonly retract: (sessions: readonly SessionOver[], now: Millis) => void
  /** How many it has by our word. */
  readonly told: () => number
}

/** Beyond that many for one peer no more are told, and none remembered: memory has an end. */
const mostTold = 500_000

/** `endsAt`: when it expires there, without another word. `held`: it was an exception here as well. `look`: the look that saw it last. */
type Entry = { server: string; endsAt: number; byUs: boolean; held: boolean; look: number }
type Group = { readonly listener: string; readonly bind: string; readonly entries: Map<string, Entry> }

/** A dump of many flows and its way to the other one may take that long: what expires there earlier is told anew at once. */
const soon = 15_000
const leastGain = 1000

/**
 * Whether one who has it until `endsAt` must hear that it lasts until `lastsUntil`: when much was gained, or when it would
 * expire there soon. A small gain alone is no news: told back and forth it would keep a session alive that is over.
 */
const isNews = (endsAt: number, lastsUntil: number, timeout: number, now: number): boolean => {
  const gain = lastsUntil - endsAt
  if (gain >= timeout / 4) return true
  return endsAt - now <= Math.max(timeout / 4, soon) && gain >= Math.min(leastGain, timeout / 64)
}

const longest = 0x7fff_ffff
const whole = (duration: number): Millis => millis(Math.min(longest, Math.max(0, Math.round(duration))))

/**
 * The session as it is known here, exception or not. `idle` alone: it is over, and so long ago its client said goodbye; null: nothing is
 * known of it any more.
 */
export type FindSession = (session: SessionOfClient) => SessionException | { readonly idle: Millis } | null

/** A book for one connection, which begins with nothing told. */
export const createToldBook = (find: FindSession, limit = mostTold): ToldBook => {
  const groups = new Map<string, Group>()
  let size = 0
  let told = 0
  let look = 0
  let offered: readonly SessionException[] = []
  let offeredAt = 0
  /** The next of those offered; behind the last one the entries are looked through for what is gone. */
  let cursor = 0
  let rest: Iterator<readonly [Group, string, Entry]> | null = null
  let isDone = true
  let corrections: readonly { readonly one: SessionException; readonly at: number }[] = []
  let retractions: readonly { readonly one: SessionOver; readonly at: number }[] = []

  let last: Group | null = null
  const groupOf = ({ listener, bind }: Pick<SessionOfClient, 'listener' | 'bind'>): Group => {
    if (last !== null && last.bind === bind && last.listener === listener) return last
    const key = `${listener} ${bind}`
    const group = groups.get(key) ?? { listener, bind, entries: new Map() }
    groups.set(key, group)
    last = group
    return group
  }
  const write = (group: Group, client: string, entry: Entry): boolean => {
    const before = group.entries.get(client)
    if (before === undefined) {
      if (size >= limit) return false
      size += 1
    }
    told += Number(entry.byUs) - Number(before?.byUs ?? false)
    group.entries.set(client, entry)
    return true
  }
  const strike = (group: Group, client: string): void => {
    const before = group.entries.get(client)
    if (before === undefined) return
    group.entries.delete(client)
    size -= 1
    told -= Number(before.byUs)
  }
  function* allEntries(): Generator<readonly [Group, string, Entry]> {
    for (const group of groups.values()) for (const [client, entry] of group.entries) yield [group, client, entry]
  }

  const nextTold = (
    now: Millis,
    most: number,
  ): { readonly message: SessionMessage | null; readonly looked: number } => {
    const sessions: [string, string, Millis, Millis][] = []
    let group: Group | null = null
    let looked = 0
    for (; cursor < offered.length && looked < most && sessions.length < sessionsInLine; cursor += 1) {
      const one = offered[cursor]
      if (one === undefined) break
      const its = groupOf(one)
      if (group !== null && sessions.length > 0 && its !== group) break
      group = its
      looked += 1
      const { client, server, timeout } = one
      const lastsUntil = offeredAt - one.idle + timeout
      const known = its.entries.get(client)
      if (known !== undefined) Object.assign(known, { look, held: true })
      if (lastsUntil <= now) continue
      if (known?.server === server && !isNews(known.endsAt, lastsUntil, timeout, now)) continue
      if (!write(its, client, { server, endsAt: lastsUntil, byUs: true, held: true, look })) continue
      sessions.push([client, server, whole(now - offeredAt + one.idle), whole(timeout)])
    }
    if (group === null || sessions.length === 0) return { message: null, looked }
    return { message: { type: 'told', listener: group.listener, bind: group.bind, sessions }, looked }
  }

  const nextCorrection = (now: Millis): SessionMessage | null => {
    const [these, rest] = firstLine(corrections)
    corrections = rest
    const [first] = these
    if (first === undefined) return null
    const group = groupOf(first.one)
    const sessions = these.map(({ one: { client, server, idle, timeout }, at }) => {
      write(group, client, { server, endsAt: at - idle + timeout, byUs: true, held: true, look })
      return [client, server, whole(now - at + idle), whole(timeout)] as const
    })
    return { type: 'told', listener: group.listener, bind: group.bind, sessions }
  }
  const nextRetraction = (now: Millis): SessionMessage | null => {
    const [these, rest] = firstLine(retractions)
    retractions = rest
    const [first] = these
    if (first === undefined) return null
    const group = groupOf(first.one)
    for (const { one } of these) strike(group, one.client)
    return goneMessage(
      group,
      these.map(({ one: { client, idle }, at }) => ({ client, idle: idle === null ? null : whole(now - at + idle) })),
    )
  }

  /** What the other one has and is no exception any more: it may be over, begun anew, or only be what the slots say. */
  const nextGone = (now: Millis, most: number): SessionMessage | null => {
    rest ??= allEntries()
    const over: { readonly client: string; readonly idle: Millis | null }[] = []
    const anew: SessionException[] = []
    let of: Group | null = null
    for (let looked = 0; looked < most && over.length + anew.length < sessionsInLine; looked += 1) {
      const step = rest.next()
      if (step.done === true) {
        isDone = true
        rest = null
        offered = []
        break
      }
      const [group, client, entry] = step.value
      if (entry.endsAt <= now) strike(group, client)
      if (entry.endsAt <= now || entry.look === look) continue
      const { listener, bind } = group
      const known = find({ listener, bind, client })
      if (known !== null && 'server' in known) {
        if (known.server !== entry.server) anew.push(known)
        continue
      }
      // One of another bind is met again by the next look.
      if (of !== null && of !== group) continue
      strike(group, client)
      // What was never taken over here is none of ours to take back.
      if (!entry.byUs && !entry.held) continue
      of = group
      over.push({ client, idle: known === null ? null : whole(known.idle) })
    }
    correct(anew, offeredAt)
    return of === null ? null : goneMessage(of, over)
  }
  const correct = (sessions: readonly SessionException[], at: number): void => {
    if (sessions.length > 0) corrections = [...corrections, ...sessions.map((one) => ({ one, at }))]
  }

  const hasAnswered = (): boolean => corrections.length === 0 && retractions.length === 0

  return {
    offer: (exceptions, now) => {
      offered = exceptions
      offeredAt = now
      look += 1
      cursor = 0
      rest = null
      isDone = false
    },
    next: (now, most) => {
      const correction = nextCorrection(now) ?? nextRetraction(now)
      if (correction !== null) return { message: correction, isDone: isDone && hasAnswered() }
      if (isDone) return { message: null, isDone }
      const { message, looked } = nextTold(now, most)
      if (message !== null || cursor < offered.length || looked >= most) return { message, isDone }
      const gone = nextGone(now, most)
      return { message: gone, isDone: isDone && hasAnswered() }
    },
    hasTold: (exceptions, now) => {
      for (const { listener, bind, client, server, idle, timeout } of exceptions) {
        const group = groupOf({ listener, bind })
        write(group, client, { server, endsAt: now - idle + timeout, byUs: false, held: false, look })
      }
    },
    hasNot: (sessions) => {
      for (const one of sessions) {
        const group = groupOf(one)
        strike(group, one.client)
      }
    },
    correct,
    retract: (sessions, now) => {
      if (sessions.length > 0) retractions = [...retractions, ...sessions.map((one) => ({ one, at: now }))]
    },
    told: () => told,
  }
}

/** Those that fit into one line with the first one, and the others. */
const firstLine = <T extends { readonly one: SessionOfClient }>(
  all: readonly T[],
): readonly [readonly T[], readonly T[]] => {
  const [first] = all
  if (first === undefined) return [[], []]
  const { listener, bind } = first.one
  const end = all.findIndex(({ one }, i) => i >= sessionsInLine || one.listener !== listener || one.bind !== bind)
  return end < 0 ? [all, []] : [all.slice(0, end), all.slice(end)]
}

const goneMessage = (
  { listener, bind }: Pick<Group, 'listener' | 'bind'>,
  over: readonly { readonly client: string; readonly idle: Millis | null }[],
): SessionMessage => ({
  type: 'gone',
  listener,
  bind,
  clients: over.map(({ client }) => client),
  idle: over.map(({ idle }) => idle),
})
