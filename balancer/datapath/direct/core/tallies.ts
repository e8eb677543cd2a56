// What is counted of a listener's sessions, from what looks at its flows have found.

import type { SessionEnd } from '../../kernel/core/session-counts.ts'

/** Of one server, or of all. `connectFailures`: connections that were asked for and not answered. */
export type Tally = {
  readonly sessions: number
  readonly maximumSessions: number
  readonly totalSessions: number
  readonly connectFailures: number
}

/** The counts of one listener, by the numbers of its servers. */
export type Tallies = {
  /** A look: how many sessions are live at each number, and how many of them began since the last one. */
  readonly look: (live: ReadonlyMap<number, number>, begun: ReadonlyMap<number, number>) => void
  readonly end: (reason: SessionEnd) => void
  /** Attempts that nobody answered, by number. */
  readonly fail: (unanswered: ReadonlyMap<number, number>) => void
  readonly server: (number: number | undefined) => Tally
  readonly all: () => Tally & { readonly ends: Readonly<Record<string, number>> }
}

type Writable<T> = { -readonly [K in keyof T]: T[K] }

/** Nothing has been counted. */
export const createTallies = (): Tallies => {
  const servers = new Map<number, Writable<Tally>>()
  const all: Writable<Tally> = { ...nothing }
  const ends: Record<string, number> = {}
  const tallyOf = (number: number): Writable<Tally> => {
    const tally = servers.get(number) ?? { ...nothing }
    servers.set(number, tally)
    return tally
  }
  const count = (tally: Writable<Tally>, live: number, begun: number): void => {
    tally.sessions = live
    tally.maximumSessions = Math.max(tally.maximumSessions, live)
    tally.totalSessions += begun
  }
  return {
    look: (live, begun) => {
      for (const number of new Set([...servers.keys(), ...live.keys(), ...begun.keys()])) {
        count(tallyOf(number), live.get(number) ?? 0, begun.get(number) ?? 0)
      }
      count(all, sumOf(live), sumOf(begun))
    },
    end: (reason) => {
      ends[reason] = (ends[reason] ?? 0) + 1
    },
    fail: (unanswered) => {
      for (const [number, failed] of unanswered) {
        tallyOf(number).connectFailures += failed
        all.connectFailures += failed
      }
    },
    server: (number) => (number === undefined ? nothing : (servers.get(number) ?? nothing)),
    all: () => ({ ...all, ends: { ...ends } }),
  }
}

const nothing: Tally = { sessions: 0, maximumSessions: 0, totalSessions: 0, connectFailures: 0 }

const sumOf = (counts: ReadonlyMap<number, number>): number =>
  [...counts.values()].reduce((sum, count) => sum + count, 0)
