// The sessions of the kernel datapath: hears of them from connection tracking, counts them, gives up attempts that nobody
// answers, and ends sessions when their server must not have them any more.

import { setImmediate as turn } from 'node:timers/promises'
import type { Logger } from 'pino'
import { type Conntrack, openConntrack, watchConntrack } from '../../os/conntrack.ts'
import { type ConntrackEntry, type Flow, flowOf, type MarkFilter } from '../../os/conntrack-message.ts'
import { done, type Outcome } from '../../os/outcome.ts'
import type { EndedFlow, ResetPace } from '../resets/core/reset-queue.ts'
import { openSessionResets, usualPace } from '../resets/session-resets.ts'
import { type Ending, fateOf } from './core/ending.ts'
import type { ListenerCount, ServerCount, SessionEnd } from './core/session-counts.ts'
import { createSessions, type EndedSession } from './core/sessions.ts'
import { untilWhole } from './whole-list.ts'

/** A session that has ended; `startedAt` is milliseconds since the epoch, null where the kernel did not note it. */
export type TrackedSession = EndedSession & { readonly client: Flow | undefined; readonly startedAt: number | null }

/** What the tracker needs to know. */
export type TrackerOptions = {
  /** The marks that are ours, and the part of them that tells the listener. */
  readonly marks: MarkFilter
  readonly listenerMask: number
  /** Milliseconds that an attempt of this mark may wait for its server's answer (balancer.yaml: timeouts.connect). */
  readonly connectTimeout: (mark: number) => number
  readonly onEnded: (session: TrackedSession) => void
  readonly log: Logger
  readonly pace?: ResetPace
  /** Bytes for events that wait in the kernel; for tests. */
  readonly eventBuffer?: number
}

/** What it counts and does. Moments are those of `performance.now()`. */
export type SessionTracker = {
  readonly servers: () => readonly ServerCount[]
  readonly listeners: () => readonly ListenerCount[]
  /** How many connects have failed until now, of all servers together. */
  readonly failures: () => number
  /** Resolves when all clients and servers of ended sessions have been told. */
  readonly told: () => Promise<void>
  /** Whoever is to be told through this address waits: no host has it, so that nobody would hear the answer; until `releaseResets`. */
  readonly holdResets: (address: Uint8Array) => void
  readonly releaseResets: (address: Uint8Array) => void
  /** How often events were lost, and all was counted anew. */
  readonly overruns: () => number
  /** Deletes the attempts to reach the server with this mark: the clients' kernels ask again. The rules must not name it any more. */
  readonly endAttempts: (mark: number) => Outcome<number>
  /**
   * Ends sessions and attempts: their entries are gone when this resolves with the number of sessions, and clients and servers that
   * wait hear a reset, as fast as the pace allows. `only` looks at the client's flow, and `onEnded` hears of each session, also where
   * the kernel refuses later. The rules must not name the server any more, or a client that asks again may get it.
   */
  readonly endSessions: (
    ending: Ending,
    reason: SessionEnd,
    only?: (flow: Flow) => boolean,
    onEnded?: (mark: number) => void,
  ) => Promise<Outcome<number>>
  /** Tells of each live session, attempts included; of some twice where the table of connection tracking changed its size meanwhile. */
  readonly visit: (tell: (entry: ConntrackEntry, flow: Flow) => void) => Promise<Outcome>
  /**
   * Has live sessions end after so many seconds without a packet, until their next packet; null leaves one as it is. `begunAt` is
   * null where it is not known.
   */
  readonly setTimeouts: (
    marks: MarkFilter,
    secondsFor: (entry: ConntrackEntry, begunAt: number | null) => number | null,
  ) => Promise<Outcome<number>>
  /** Lists all and puts right what was not heard; also brings the bytes of live sessions. One at a time. */
  readonly recount: () => Promise<Outcome>
  /** Lets go of what was counted for a mark that no rule and no session has any more. */
  readonly forget: (mark: number) => void
  readonly close: () => void
}

const attemptInterval = 100
/**
 * All is listed again although nothing was lost, for the bytes of live sessions: after a pause so many times as long as the
 * last list took, within bounds.
 */
const [recountShare, shortestPause, longestPause] = [100, 2000, 60_000]
const entriesAtOnce = 256

/** Begins to listen, and counts what there is. A refusal says what is missing: a capability, or a module of the kernel. */
export const openSessionTracker = async (options: TrackerOptions): Promise<Outcome<SessionTracker>> => {
  const { marks, log } = options
  const sessions = createSessions({ listenerMask: options.listenerMask })
  let overruns = 0
  let counting: Promise<Outcome> | undefined
  let isStale = false
  let isOpen = true

  const hear = (entry: ConntrackEntry, at: number): void => {
    if (entry.change === 'new') resets.cancel(entry.original)
    const ended = sessions.hear(entry, at)
    if (ended !== undefined) {
      const { original, startedAt } = entry
      options.onEnded({ ...ended, client: flowOf(original), startedAt })
    }
  }
  const requests = openConntrack()
  if (!requests.ok) return requests
  const conntrack = requests.value
  const openedResets = openSessionResets(options.pace ?? usualPace, (text) => log.debug({ text }, `No reset: ${text}`))
  if (!openedResets.ok) {
    conntrack.close()
    return openedResets
  }
  const resets = openedResets.value
  const watched = watchConntrack(
    marks,
    {
      onEntry: hear,
      onOverrun: () => {
        overruns += 1
        isStale = true
      },
      onFailure: (text) => log.error({ text }, `Sessions are not counted any more: ${text}`),
    },
    options.eventBuffer,
  )
  if (!watched.ok) {
    conntrack.close()
    resets.close()
    return watched
  }
  const events = watched.value

  const count = async (): Promise<Outcome> => {
    events.drain()
    sessions.beginList()
    const ahead = wallAhead()
    const listed = await conntrack.list(marks, (entry) => sessions.list(entry, performance.now(), ahead))
    events.drain()
    sessions.endList(!listed.ok || listed.value.isTorn)
    return listed.ok ? done : listed
  }
  const recount = async (): Promise<Outcome> => {
    counting ??= count().finally(() => {
      counting = undefined
    })
    return counting
  }
  const remove = (entries: Parameters<Conntrack['remove']>[0]) => conntrack.remove(entries)

  /** Calls `use` for all entries with the mark, some at a time; for some twice where the table changed its size meanwhile. */
  const forAll = (
    filter: MarkFilter,
    isMeant: (entry: ConntrackEntry) => boolean,
    use: (entries: readonly KeptEntry[]) => Outcome<number>,
  ): Promise<Outcome<number>> => untilWhole(() => forListed(filter, isMeant, use))
  const forListed = async (...[filter, isMeant, use]: Parameters<typeof forAll>) => {
    events.drain()
    const found: KeptEntry[] = []
    const listed = await conntrack.list(filter, (entry) => {
      if (isMeant(entry)) found.push(kept(entry))
    })
    if (!listed.ok) return listed
    let used = 0
    for (let at = 0; at < found.length && isOpen; at += entriesAtOnce) {
      const result = use(found.slice(at, at + entriesAtOnce))
      if (!result.ok) return result
      used += result.value
      await turn()
    }
    return { ok: true as const, value: { used, isTorn: listed.value.isTorn && isOpen } }
  }
  const visit: SessionTracker['visit'] = async (tell) => {
    const everyone = { ...marks, begunBefore: Number.POSITIVE_INFINITY }
    const listed = await conntrack.list(marks, (entry) => {
      const flow = fateOf(entry, null, everyone) === 'stay' ? undefined : flowOf(entry.original)
      if (flow !== undefined) tell(entry, flow)
    })
    return listed.ok ? done : listed
  }
  const endSessions: SessionTracker['endSessions'] = (ending, reason, only = () => true, onEnded) =>
    forAll(
      ending,
      (entry) => {
        if (fateOf(entry, beginOf(entry), ending) === 'stay') return false
        const flow = flowOf(entry.original)
        return flow !== undefined && only(flow)
      },
      (entries) => {
        const removed = remove(entries)
        if (!removed.ok) return removed
        const gone = entries.filter((_, i) => removed.value[i])
        const ended = gone.filter((entry) => {
          sessions.end(entry, reason, performance.now())
          return entry.tcpState !== 'syn-sent'
        })
        for (const entry of ended) {
          onEnded?.(entry.mark)
          for (const flow of flowsOf(entry)) resets.add(flow)
        }
        return { ok: true, value: ended.length }
      },
    )
  const beginOf = (entry: ConntrackEntry): number | null =>
    sessions.begunAt(entry) ?? (entry.startedAt === null ? null : entry.startedAt - wallAhead())
  const setTimeouts: SessionTracker['setTimeouts'] = (filter, secondsFor) => {
    /** For the entries that are meant, in the order in which they are found. */
    const wanted: number[] = []
    let used = 0
    return forAll(
      filter,
      (entry) => {
        const seconds = entry.tcpState === 'established' ? secondsFor(entry, beginOf(entry)) : null
        if (seconds !== null) wanted.push(seconds)
        return seconds !== null
      },
      (entries) => {
        const groups = new Map<number, KeptEntry[]>()
        for (const entry of entries) {
          const seconds = wanted[used] ?? 0
          groups.set(seconds, [...(groups.get(seconds) ?? []), entry])
          used += 1
        }
        let count = 0
        for (const [seconds, group] of groups) {
          const set = conntrack.setTimeouts(group, seconds)
          if (!set.ok) return set
          count += set.value.filter(Boolean).length
        }
        return { ok: true, value: count }
      },
    )
  }
  const endAttempts: SessionTracker['endAttempts'] = (mark) => {
    events.drain()
    const attempts = sessions.attempts(mark)
    const removed = remove(attempts)
    if (!removed.ok) return removed
    for (const attempt of attempts) sessions.end(attempt, 'server-down', performance.now())
    return { ok: true, value: removed.value.filter(Boolean).length }
  }

  const giveUp = (): void => {
    events.drain()
    const late = sessions.overdue(performance.now(), options.connectTimeout)
    const removed = late.length === 0 ? done : remove(late)
    if (!removed.ok) log.warn({ text: removed.text }, `Attempts that nobody answers go on: ${removed.text}`)
    if (!isStale || counting !== undefined) return
    isStale = false
    log.warn({ overruns }, 'More connections came than could be heard of; all are counted anew')
    void recountOrWarn()
  }
  const recountOrWarn = async (): Promise<void> => {
    const counted = await recount()
    if (!counted.ok && isOpen) log.warn({ text: counted.text }, `Sessions were not counted anew: ${counted.text}`)
  }
  const recountLater = (taken: number): void => {
    const pause = Math.min(longestPause, Math.max(shortestPause, taken * recountShare))
    later = setTimeout(async () => {
      const begun = performance.now()
      await recountOrWarn()
      if (isOpen) recountLater(performance.now() - begun)
    }, pause)
  }
  let later: NodeJS.Timeout | undefined
  const timer = setInterval(giveUp, attemptInterval)
  const close = (): void => {
    isOpen = false
    clearInterval(timer)
    clearTimeout(later)
    events.close()
    resets.close()
    conntrack.close()
  }
  const begun = performance.now()
  const first = await recount()
  if (!first.ok) {
    close()
    return first
  }
  recountLater(performance.now() - begun)
  return {
    ok: true,
    value: {
      servers: sessions.servers,
      listeners: sessions.listeners,
      failures: sessions.failures,
      told: resets.sent,
      holdResets: resets.hold,
      releaseResets: resets.release,
      overruns: () => overruns,
      endAttempts,
      endSessions,
      visit,
      setTimeouts,
      recount,
      forget: sessions.forget,
      close,
    },
  }
}

/** By how much the time of day, which the kernel tells, is ahead of our clock. */
const wallAhead = (): number => Date.now() - performance.now()

/** Of an entry what it takes to end it, as a copy that lasts. */
type KeptEntry = Pick<ConntrackEntry, 'family' | 'id' | 'mark' | 'tcpState' | 'original' | 'reply'>
const kept = ({ family, id, mark, tcpState, original, reply }: ConntrackEntry): KeptEntry => ({
  family,
  id,
  mark,
  tcpState,
  original: original.slice(),
  reply: reply.slice(),
})

/** The client hears it from the address that it asked for, the server from what it takes for its client. */
const flowsOf = (entry: KeptEntry): readonly EndedFlow[] => {
  const [original, reply] = [flowOf(entry.original), flowOf(entry.reply)]
  if (original === undefined || reply === undefined) return []
  return [{ key: entry.original, toClient: { ...backwards(original), isAnswer: true }, toServer: backwards(reply) }]
}

const backwards = ({ source, destination, sourcePort, destinationPort }: Flow) => ({
  source: destination,
  destination: source,
  sourcePort: destinationPort,
  destinationPort: sourcePort,
})
