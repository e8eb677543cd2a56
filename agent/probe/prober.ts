// One probe after the other over a kept connection, each within one deadline for connect, login and queries.

import { performance } from 'node:perf_hooks'
import type { MysqlConfig, MysqlTarget } from '../config/login.ts'
import { oneLine } from '../core/text.ts'
import { type Millis, millis } from '../core/time.ts'
import { createAbandoned } from './abandoned.ts'
import { type Absences, noteAbsences } from './core/absence.ts'
import { connectionsOf } from './core/connections.ts'
import type { Outcome, Probe, ServerFacts, Words } from './core/facts.ts'
import { isOwnLimit } from './core/failure.ts'
import { createDoorLook, type DoorTurn } from './door.ts'
import { beginInterview, type Inquiry, type Interview } from './gather.ts'
import { createPreparation } from './prepare.ts'
import { openSession, type Session } from './session.ts'
import type { StallWatch } from './stall-watch.ts'

/** What a probe does, how long it may take, and how old the login may be that it uses. */
export type ProbeSettings = {
  readonly mysql: MysqlConfig
  readonly inquiry: Inquiry
  readonly timeout: Millis
  readonly loginInterval: Millis
}

/** Probes the server; the caller starts one probe at a time. */
export type Prober = {
  readonly probe: () => Promise<Probe>
  /** The next probe learns anew what this one has learned of the server: an operator may have changed its grants. */
  readonly relearn: () => void
  readonly close: () => void
}

/** A probe that ran out of time after we lost this part of it says nothing about the server. */
const lostShare = 0.25

/** Of the statement that hung. */
const shownLength = 60

/** What was learned of a server is learned anew after this time: its grants may have changed. */
const learnedMillis = 60_000

/** Who got the connection that is reserved for administrators does not come again before this time. */
const givenBackMillis = 5000

/** A login that answered a probe, and what was learned of the server over this one and those before. */
type Kept = {
  readonly session: Session
  readonly interview: Interview
  readonly learnedAt: number
  /** When a login was made last, or refused for a limit of the check user's own. */
  readonly triedAt: number
  /** A login now would take the last connection, or be refused. */
  readonly isFull: boolean
}

/** One probe under way: the connections it uses, and whether a query of ours is running there. */
type Turn = DoorTurn & { over: boolean; session: Session | null; querying: boolean }

/** A prober without a connection; the first probe opens one. */
export const createProber = ({ mysql, inquiry, timeout, loginInterval }: ProbeSettings, stalls: StallWatch): Prober => {
  const abandoned = createAbandoned()
  const prepare = createPreparation(timeout)
  const doorLook = createDoorLook(mysql, loginInterval)
  const { target, extra, extraAlone = false } = mysql
  let kept: Kept | null = null
  let current: Turn | null = null
  let absences: Absences = new Map()
  /** When the connection for administrators was had and given back, and what was seen over it. */
  let givenBack: { readonly at: number; readonly outcome: Outcome } | null = null

  const ask = async (turn: Turn, session: Session, interview: Interview, leaving = 0): Promise<Outcome> => {
    turn.session = session
    turn.querying = true
    const outcome = await interview(session, leaving)
    turn.querying = false
    if (outcome.kind !== 'answered' || turn.over) return outcome
    return { kind: 'answered', facts: await complete(turn, outcome.facts, leaving) }
  }

  /** What one answer does not tell: since when a source is away, and whether clients come in. */
  const complete = async (turn: Turn, facts: ServerFacts, leaving: number): Promise<ServerFacts> => {
    const { words, refused } = facts
    // Who was refused by the usual port met what clients meet there.
    let { channels, closed } = facts
    closed ??= refused
    if (channels.ok) {
      const noted = noteAbsences(channels.value, absences, millis(performance.now()))
      absences = noted.absences
      channels = { ok: true, value: noted.channels }
    }
    // The connections that we are about to give up take places still, and a login there must not fail for them.
    const isFull = closed?.code === 'too-many-connections' || (words.ok && freeIn(words.value) <= leaving)
    if (words.ok) closed ??= await doorLook.look(turn, words.value, isFull)
    return { ...facts, channels, closed, door: doorLook.seen() }
  }

  const enter = async (turn: Turn, where: MysqlTarget) => {
    const session = openSession(where, mysql)
    turn.session = session
    const refused = (await session.login()) ?? (await prepare(session)) ?? (await abandoned.objection(session))
    return { session, refused }
  }

  /** `usual` is why the usual port let us not in, where the extra one did. */
  const logIn = async (turn: Turn) => {
    if (extra !== null && extraAlone) {
      const alone = await enter(turn, extra)
      if (alone.refused?.code !== 'connection-refused' || turn.over) return { ...alone, usual: null }
      alone.session.end()
    }
    const first = await enter(turn, target)
    const { refused } = first
    if (refused?.code !== 'too-many-connections' || extra === null || extraAlone || turn.over) {
      return { ...first, usual: null }
    }
    first.session.end()
    const second = await enter(turn, extra)
    // Where nobody gets in, the usual port's word is the telling one.
    return second.refused === null ? { ...second, usual: refused } : { ...second, refused, usual: null }
  }

  const isDue = ({ triedAt, isFull }: Kept): boolean => !isFull && performance.now() - triedAt >= loginInterval

  const examine = async (turn: Turn): Promise<Outcome> => {
    let old = kept?.session.isAlive() === true ? kept : null
    if (old !== null && !isDue(old)) {
      const outcome = await ask(turn, old.session, old.interview)
      if (turn.over) return outcome
      if (outcome.kind === 'answered') {
        kept = { ...old, isFull: tableOf(outcome.facts) !== 'free' }
        return outcome
      }
      // What comes back may be another server.
      old = null
    }
    if (old === null) doorLook.forget()
    if (old === null && givenBack !== null && performance.now() - givenBack.at < givenBackMillis)
      return givenBack.outcome
    givenBack = null
    const known = old !== null && performance.now() - old.learnedAt < learnedMillis ? old : null
    const { session, refused, usual } = await logIn(turn)
    if (turn.over) return cutShort
    if (refused !== null && isOwnLimit(refused) && old?.session.isAlive()) {
      // The server let us in as far as it lets others: the limit is this user's own, and the old login is within it.
      session.end()
      kept = { ...old, triedAt: performance.now() }
      return ask(turn, old.session, old.interview)
    }
    if (refused !== null) {
      session.end()
      letGo()
      if (refused.code === 'connection-refused') abandoned.forget()
      return { kind: 'failed', failure: refused }
    }
    const interview = (usual === null ? known?.interview : undefined) ?? beginInterview(inquiry, usual)
    const outcome = await ask(turn, session, interview, old === null ? 0 : 1)
    if (turn.over) return outcome
    const table = outcome.kind === 'answered' ? tableOf(outcome.facts) : 'free'
    // The extra port has a place or two, and an administrator may need them, or the one that is reserved.
    if (usual !== null || outcome.kind !== 'answered' || table === 'overfull') session.end()
    if (table === 'overfull') {
      if (old !== null) kept = { ...old, isFull: true }
      else givenBack = { at: performance.now(), outcome }
      return outcome
    }
    // The old connection stays until the new login has a place of its own in the server's connection table.
    letGo()
    if (usual !== null || outcome.kind !== 'answered') return outcome
    const now = performance.now()
    kept = { session, interview, learnedAt: known?.learnedAt ?? now, triedAt: now, isFull: table === 'full' }
    return outcome
  }

  const letGo = (): void => {
    kept?.session.end()
    kept = null
  }

  /** What a probe waits for, in words for the operator: it tells a hung server from a blocked statement. */
  const unanswered = ({ session, door }: Turn): string => {
    if (door !== null) return `the login at ${door.where}`
    const statement = session?.asking() ?? null
    if (statement === null) return session?.threadId() == null ? 'the login' : 'the end of the probe'
    return statement === inquiry.query ? 'the check query' : oneLine(statement, shownLength)
  }

  const giveUp = (turn: Turn): void => {
    turn.over = true
    const threadId = turn.session?.threadId() ?? null
    if (turn.querying && threadId !== null) abandoned.add(threadId)
    turn.session?.destroy()
    turn.door?.session.destroy()
    kept?.session.destroy()
    kept = null
  }

  const probe = (): Promise<Probe> =>
    new Promise((resolve) => {
      const startedAt = millis(performance.now())
      const lostBefore = stalls.lost()
      const turn: Turn = { over: false, session: null, querying: false, door: null }
      current = turn
      const finish = (outcome: Outcome): void => {
        turn.over = true
        clearTimeout(deadline)
        resolve({ startedAt, took: millis(performance.now() - startedAt), outcome })
      }
      const expire = (): void => {
        if (turn.over) return
        const waitedFor = unanswered(turn)
        giveUp(turn)
        const late = stalls.lost() - lostBefore >= timeout * lostShare
        finish(late ? { kind: 'late' } : { kind: 'failed', failure: timedOut(timeout, waitedFor) })
      }
      // After a stall of the loop timers fire before sockets are read: look at the socket once more.
      const deadline = setTimeout(() => setImmediate(expire), timeout)
      void examine(turn).then(finish)
    })

  const relearn = (): void => {
    doorLook.forget()
    if (kept !== null) kept = { ...kept, learnedAt: Number.NEGATIVE_INFINITY, triedAt: Number.NEGATIVE_INFINITY }
  }

  const close = (): void => {
    if (current !== null && !current.over) giveUp(current)
    letGo()
  }
  return { probe, relearn, close }
}

/** Connections that nobody has. */
const freeIn = (words: Words): number => {
  const connections = connectionsOf(words)
  return connections === null ? Number.POSITIVE_INFINITY : connections.most - connections.used
}

/** `full`: the next client is refused. `overfull`: the connection is taken, too, that is reserved for administrators. */
const tableOf = ({ words }: ServerFacts): 'free' | 'full' | 'overfull' => {
  const connections = words.ok ? connectionsOf(words.value) : null
  if (connections === null || connections.used < connections.most) return 'free'
  return connections.used > connections.most ? 'overfull' : 'full'
}

/** The outcome of a probe whose deadline has answered already; nobody reads it. */
const cutShort: Outcome = { kind: 'late' }

const timedOut = (timeout: Millis, waitedFor: string) => ({
  code: 'timeout' as const,
  text: `no answer within ${timeout} ms to ${waitedFor}`,
  fatal: true,
})
