// One probe after the other over a kept connection, each within one deadline for connect, login and queries.

import { performance } from 'node:perf_hooks'
import type { MysqlConfig, MysqlTarget } from '../config/login.ts'
import { oneLine } from '../core/text.ts'
import { type Millis, millis } from '../core/time.ts'
import { createAbandoned } from './abandoned.ts'
import type { Outcome, Probe } from './core/facts.ts'
import { isOwnLimit } from './core/failure.ts'
import { beginInterview, type Inquiry, type Interview } from './gather.ts'
import { createPreparation } from './prepare.ts'
import { openSession, type Session } from './session.ts'
import type { StallWatch } from './stall-watch.ts'

/** What a probe does, how long it may take, and how old the login may be that it uses. */
export type ProbeSettings = {
  readonly mysql: MysqlConfig
  readonly inquiry: Inquiry
  readonly timeout: Millis
  readonly freshLogin: Millis
}

/** Probes the server; the caller starts one probe at a time. */
export type Prober = { readonly probe: () => Promise<Probe>; readonly close: () => void }

/** A probe that ran out of time after we lost this part of it says nothing about the server. */
const lostShare = 0.25

/** Of the statement that hung. */
const shownLength = 60

/** A login that answered a probe, and what was learned over it. */
type Kept = { readonly session: Session; readonly interview: Interview }

/** One probe under way: the connection it uses, and whether a query of ours is running there. */
type Turn = { over: boolean; session: Session | null; querying: boolean }

/** A prober without a connection; the first probe opens one. */
export const createProber = ({ mysql, inquiry, timeout, freshLogin }: ProbeSettings, stalls: StallWatch): Prober => {
  const abandoned = createAbandoned()
  const prepare = createPreparation(timeout)
  let kept: Kept | null = null
  let current: Turn | null = null

  const ask = async (turn: Turn, { session, interview }: Kept): Promise<Outcome> => {
    turn.session = session
    turn.querying = true
    const outcome = await interview()
    turn.querying = false
    return outcome
  }

  const enter = async (turn: Turn, target: MysqlTarget) => {
    const session = openSession(target, mysql)
    turn.session = session
    const refused = (await session.login()) ?? (await prepare(session)) ?? (await abandoned.objection(session))
    return { session, refused }
  }

  /** `usual` is why the usual port let us not in, where the extra one did. */
  const logIn = async (turn: Turn) => {
    const first = await enter(turn, mysql.target)
    const { refused } = first
    if (refused?.code !== 'too-many-connections' || mysql.extra === null || turn.over) return { ...first, usual: null }
    first.session.end()
    const second = await enter(turn, mysql.extra)
    // Where nobody gets in, the usual port's word is the telling one.
    return second.refused === null ? { ...second, usual: refused } : { ...second, refused, usual: null }
  }

  const examine = async (turn: Turn): Promise<Outcome> => {
    if (kept?.session.isAlive() && performance.now() - kept.session.openedAt < freshLogin) {
      const outcome = await ask(turn, kept)
      if (outcome.kind === 'answered' || turn.over) return outcome
    }
    const { session, refused, usual } = await logIn(turn)
    if (turn.over) return cutShort
    if (refused !== null && isOwnLimit(refused) && kept?.session.isAlive()) {
      // The server let us in as far as it lets others: the limit is this user's own, and the old login is within it.
      session.end()
      return ask(turn, kept)
    }
    // The old connection stays until the new login has a place of its own in the server's connection table.
    kept?.session.end()
    kept = null
    if (refused !== null) {
      session.end()
      if (refused.code === 'connection-refused') abandoned.forget()
      return { kind: 'failed', failure: refused }
    }
    const fresh = { session, interview: beginInterview(session, inquiry, usual) }
    const outcome = await ask(turn, fresh)
    if (turn.over) return outcome
    // The extra port has a place or two, and an administrator may need them.
    if (usual === null) kept = fresh
    else session.end()
    return outcome
  }

  /** What a probe waits for, in words for the operator: it tells a hung server from a blocked statement. */
  const unanswered = ({ session }: Turn): string => {
    const statement = session?.asking() ?? null
    if (statement === null) return session?.threadId() == null ? 'the login' : 'the end of the probe'
    return statement === inquiry.query ? 'the check query' : oneLine(statement, shownLength)
  }

  const giveUp = (turn: Turn): void => {
    turn.over = true
    const threadId = turn.session?.threadId() ?? null
    if (turn.querying && threadId !== null) abandoned.add(threadId)
    turn.session?.destroy()
    kept?.session.destroy()
    kept = null
  }

  const probe = (): Promise<Probe> =>
    new Promise((resolve) => {
      const startedAt = millis(performance.now())
      const lostBefore = stalls.lost()
      const turn: Turn = { over: false, session: null, querying: false }
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

  const close = (): void => {
    if (current !== null && !current.over) giveUp(current)
    kept?.session.end()
    kept = null
  }
  return { probe, close }
}

/** The outcome of a probe whose deadline has answered already; nobody reads it. */
const cutShort: Outcome = { kind: 'late' }

const timedOut = (timeout: Millis, waitedFor: string) => ({
  code: 'timeout' as const,
  text: `no answer within ${timeout} ms to ${waitedFor}`,
  fatal: true,
})
