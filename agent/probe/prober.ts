// One probe after the other over a kept connection, each within one deadline for connect, login and queries.

import { performance } from 'node:perf_hooks'
import type { MysqlConfig } from '../config/load.ts'
import { type Millis, millis } from '../core/time.ts'
import { createAbandoned } from './abandoned.ts'
import type { Outcome, Probe } from './core/facts.ts'
import { gather, prepareSession } from './gather.ts'
import { openSession, type Session } from './session.ts'
import type { StallWatch } from './stall-watch.ts'

/** What a probe does, how long it may take, and how old the login may be that it uses. */
export type ProbeSettings = {
  readonly mysql: MysqlConfig
  readonly query: string
  readonly timeout: Millis
  readonly freshLogin: Millis
}

/** Probes the server; the caller starts one probe at a time. */
export type Prober = { readonly probe: () => Promise<Probe>; readonly close: () => void }

/** A probe that ran out of time after we lost this part of it says nothing about the server. */
const lostShare = 0.25

/** One probe under way: the connection it uses, and whether a query of ours is running there. */
type Turn = { over: boolean; session: Session | null; querying: boolean }

/** A prober without a connection; the first probe opens one. */
export const createProber = ({ mysql, query, timeout, freshLogin }: ProbeSettings, stalls: StallWatch): Prober => {
  const abandoned = createAbandoned()
  let kept: Session | null = null
  let current: Turn | null = null

  const ask = async (turn: Turn, session: Session): Promise<Outcome> => {
    turn.session = session
    turn.querying = true
    const outcome = await gather(session, query)
    turn.querying = false
    return outcome
  }

  const examine = async (turn: Turn): Promise<Outcome> => {
    if (kept?.isAlive() && performance.now() - kept.openedAt < freshLogin) {
      const outcome = await ask(turn, kept)
      if (outcome.kind === 'answered' || turn.over) return outcome
    }
    const session = openSession(mysql)
    turn.session = session
    const refused = (await session.login()) ?? (await prepareSession(session)) ?? (await abandoned.objection(session))
    if (turn.over) return cutShort
    // The old connection stays until the new login has a place of its own in the server's connection table.
    kept?.end()
    kept = null
    if (refused !== null) {
      session.end()
      if (refused.code === 'connection-refused') abandoned.forget()
      return { kind: 'failed', failure: refused }
    }
    const outcome = await ask(turn, session)
    if (turn.over) return outcome
    kept = session
    return outcome
  }

  const giveUp = (turn: Turn): void => {
    turn.over = true
    const threadId = turn.session?.threadId() ?? null
    if (turn.querying && threadId !== null) abandoned.add(threadId)
    turn.session?.destroy()
    kept?.destroy()
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
        giveUp(turn)
        const late = stalls.lost() - lostBefore >= timeout * lostShare
        finish(late ? { kind: 'late' } : { kind: 'failed', failure: timedOut(timeout) })
      }
      // After a stall of the loop timers fire before sockets are read: look at the socket once more.
      const deadline = setTimeout(() => setImmediate(expire), timeout)
      void examine(turn).then(finish)
    })

  const close = (): void => {
    if (current !== null && !current.over) giveUp(current)
    kept?.end()
    kept = null
  }
  return { probe, close }
}

/** The outcome of a probe whose deadline has answered already; nobody reads it. */
const cutShort: Outcome = { kind: 'late' }

const timedOut = (timeout: Millis) => ({
  code: 'timeout' as const,
  text: `no answer within ${timeout} ms`,
  fatal: true,
})
