// The sessions of the kernel datapath, from what connection tracking tells. PURE: no clock and no socket, but changed in
// place, for 200,000 of them.

import { createTallies, type ListenerCount, type ServerCount, type SessionEnd, sessionEnds } from './session-counts.ts'
import { createSessionSlots, hashOf, type SessionKey } from './session-slots.ts'

/** What connection tracking tells of one entry; see os/conntrack-message.ts. */
export type TrackedEntry = {
  readonly change: 'new' | 'update' | 'destroy'
  readonly family: 'ipv4' | 'ipv6'
  readonly id: number
  readonly mark: number
  readonly hasReply: boolean
  readonly tcpState: string | null
  readonly remaining: number | null
  readonly startedAt: number | null
  readonly bytes: { readonly original: number; readonly reply: number } | null
  readonly original: Uint8Array
}

/** What tells an entry from all others. */
type EntryKey = Pick<TrackedEntry, 'id' | 'original'>

/** A session that is over, for the log. Durations in milliseconds; null: not known. */
export type EndedSession = {
  readonly mark: number
  readonly reason: SessionEnd
  readonly duration: number | null
  readonly bytesIn: number | null
  readonly bytesOut: number | null
}

/** An attempt to connect that waits for the server's first answer, with what it takes to delete its entry. */
export type Attempt = Pick<TrackedEntry, 'family' | 'id' | 'mark' | 'original'> & { readonly begunAt: number }

/**
 * The table. Moments (`at`, and `startedAt` of entries) are milliseconds of one clock. `hear` takes what happened, in the
 * order of the kernel; `list` what a list of all entries holds. A list and what happens meanwhile may come in any mixture:
 * what was destroyed since `beginList` is not counted again, and what `endList` finds nowhere is gone. What had ended before
 * the first list began is not counted.
 */
export type Sessions = {
  readonly hear: (entry: TrackedEntry, at: number) => EndedSession | undefined
  /** What happened until now has to be heard before: what is heard from now on counts as seen. */
  readonly beginList: () => void
  readonly list: (entry: TrackedEntry, at: number) => void
  /** `isTorn`: the list may lack some, so nothing follows from what is not in it. Again all has to be heard before. */
  readonly endList: (isTorn: boolean) => void
  /**
   * This program has deleted the entry of a session: it ends for this reason. False: it is none that lives, or an attempt, which
   * nobody counts.
   */
  readonly end: (entry: EntryKey, reason: SessionEnd, at: number) => boolean
  /** When it began; null where the table does not know it or its beginning. */
  readonly begunAt: (entry: EntryKey) => number | null
  /** The attempts with this mark. */
  readonly attempts: (mark: number) => readonly Attempt[]
  /** The attempts that have waited for as long as `limitOf` their mark: they are failures of their server from now on. */
  readonly overdue: (at: number, limitOf: (mark: number) => number) => readonly Attempt[]
  /** How many attempts have failed, of all servers together. */
  readonly failures: () => number
  readonly servers: () => readonly ServerCount[]
  readonly listeners: () => readonly ListenerCount[]
  /** Lets go of what was counted for a mark that no rule gives any more; no session of it may be left. */
  readonly forget: (mark: number) => void
  /** How many entries are known, and how many could not be for want of room. */
  readonly known: () => number
  readonly unknown: () => number
}

/** `listenerMask` is the part of a mark that tells the listener; `largest` the number of places, a power of two. */
export type SessionsOptions = { readonly listenerMask: number; readonly largest?: number }

/**
 * The way of a session: nobody answered yet; the server did; both have; it is over, and its entry waits to be removed. The last
 * is for attempts that have failed, and for what had ended before this program began.
 */
const phases = { attempt: 1, answered: 2, established: 3, over: 4, uncounted: 5 } as const
/** Of places, 40 MB of them; and of attempts that can be given up before the kernel does. */
const [mostPlaces, mostAttempts] = [1 << 20, 1 << 14]
const generations = 250

/** Makes an empty table. */
export const createSessions = ({ listenerMask, largest = mostPlaces }: SessionsOptions): Sessions => {
  const slots = createSessionSlots(largest)
  const tallies = createTallies(listenerMask)
  const attempts = new Map<number, Attempt>()
  let generation = 1
  /** What was destroyed since the list began; undefined while there is none. */
  let destroyed: Set<number> | undefined
  let hasListed = false
  let unknown = 0

  const tallyAt = (at: number) => tallies.of(slots.columns().mark[at] ?? 0)
  const phaseAt = (at: number): number => slots.columns().phase[at] ?? 0
  const countBytes = (at: number, { bytes }: TrackedEntry): void => {
    if (bytes === null) return
    const { bytesIn, bytesOut } = slots.columns()
    const [more, back] = [bytes.original - (bytesIn[at] ?? 0), bytes.reply - (bytesOut[at] ?? 0)]
    // A part of a list may be older than what was heard meanwhile.
    if (more < 0 || back < 0) return
    tallyAt(at).countBytes(more, back)
    bytesIn[at] = bytes.original
    bytesOut[at] = bytes.reply
  }
  const finish = (at: number, reason: SessionEnd, moment: number): void => {
    const columns = slots.columns()
    const tally = tallyAt(at)
    tally.leave()
    tally.countEnd(reason)
    columns.phase[at] = phases.over
    columns.reason[at] = sessionEnds.indexOf(reason)
    columns.time[at] = moment - (columns.time[at] ?? Number.NaN)
  }
  const setAside = (at: number, key: SessionKey): void => {
    tallyAt(at).leave()
    attempts.delete(numberOf(key))
    slots.columns().phase[at] = phases.uncounted
  }
  /** Takes a session as far as the entry says. There is no way back. */
  const advance = (at: number, entry: TrackedEntry, moment: number): void => {
    const [before, phase] = [phaseAt(at), phaseOf(entry)]
    if (before >= phases.over || phase <= before) return
    const tally = tallyAt(at)
    if (before === phases.attempt) {
      attempts.delete(numberOf(keyOf(entry)))
      tally.countAnswer()
    }
    // Reset before both had answered: that was not a session yet.
    const isHalfWay = before !== phases.established && entry.tcpState === 'close'
    if (before < phases.established && phase >= phases.established && !isHalfWay) tally.countSession()
    if (phase !== phases.over) slots.columns().phase[at] = phase
    else finish(at, isHalfWay ? 'client-left' : entry.tcpState === 'close' ? 'reset' : 'closed', moment)
  }
  const begin = (key: SessionKey, entry: TrackedEntry, moment: number | null): number => {
    const at = slots.add(key)
    if (at === -1) {
      unknown += 1
      return -1
    }
    const { family, id, mark, original } = entry
    const columns = slots.columns()
    columns.mark[at] = mark
    columns.generation[at] = generation
    columns.phase[at] = phases.attempt
    columns.time[at] = moment ?? Number.NaN
    tallyAt(at).enter()
    if (phaseOf(entry) === phases.attempt && attempts.size < mostAttempts && moment !== null)
      attempts.set(numberOf(key), { family, id, mark, original: original.slice(), begunAt: moment })
    return at
  }
  const destroyAttempt = (at: number, key: SessionKey, entry: TrackedEntry): undefined => {
    const tally = tallyAt(at)
    tally.leave()
    attempts.delete(numberOf(key))
    const isReset = entry.tcpState === 'close'
    // A client may reset its own attempt: then nobody answered.
    const isRefused = isReset && entry.bytes?.reply !== 0
    if (isRefused || (isExpired(entry) && !isReset)) tally.countFailure(isRefused)
    slots.remove(at)
  }
  const destroy = (at: number, key: SessionKey, entry: TrackedEntry, moment: number): EndedSession | undefined => {
    if (phaseAt(at) === phases.uncounted) {
      slots.remove(at)
      return undefined
    }
    countBytes(at, entry)
    if (phaseAt(at) === phases.attempt && !entry.hasReply) return destroyAttempt(at, key, entry)
    advance(at, entry, moment)
    if (phaseAt(at) !== phases.over) {
      const isBegun = phaseAt(at) === phases.established
      finish(at, isExpired(entry) ? (isBegun ? 'timeout' : 'client-left') : 'deleted', moment)
    }
    const { mark, reason, time } = slots.columns()
    const duration = time[at] ?? Number.NaN
    const ended = {
      mark: mark[at] ?? 0,
      reason: sessionEnds[reason[at] ?? 0] ?? 'unseen',
      duration: Number.isNaN(duration) ? null : duration,
      bytesIn: entry.bytes?.original ?? null,
      bytesOut: entry.bytes?.reply ?? null,
    }
    slots.remove(at)
    return ended
  }

  const hear: Sessions['hear'] = (entry, moment) => {
    const key = keyOf(entry)
    let at = slots.find(key)
    if (entry.change === 'destroy') {
      destroyed?.add(numberOf(key))
      return at === -1 ? undefined : destroy(at, key, entry, moment)
    }
    if (entry.change === 'new') {
      // The first list found its end before its beginning was heard.
      if (at !== -1 && phaseAt(at) === phases.uncounted) {
        slots.remove(at)
        at = -1
      }
      if (at === -1) at = begin(key, entry, moment)
    }
    // What changes without having begun is found in the list that follows, or had ended before the first one.
    if (at === -1) return undefined
    slots.columns().generation[at] = generation
    advance(at, entry, moment)
    return undefined
  }
  const list: Sessions['list'] = (entry, moment) => {
    const key = keyOf(entry)
    if (destroyed?.has(numberOf(key))) return
    const known = slots.find(key)
    const phase = phaseOf(entry)
    const at = known === -1 ? begin(key, entry, entry.startedAt ?? (phase === phases.attempt ? moment : null)) : known
    if (at === -1) return
    slots.columns().generation[at] = generation
    if (known === -1 && !hasListed && phase === phases.over) setAside(at, key)
    if (phaseAt(at) === phases.uncounted) return
    advance(at, entry, moment)
    countBytes(at, entry)
  }
  const endList: Sessions['endList'] = (isTorn) => {
    destroyed = undefined
    hasListed = true
    if (isTorn) return
    const { taken, generation: seen, id, hash } = slots.columns()
    const lost: SessionKey[] = []
    for (let at = 0; at < taken.length; at += 1) {
      if (taken[at] === 1 && seen[at] !== generation) lost.push({ id: id[at] ?? 0, hash: hash[at] ?? 0 })
    }
    for (const key of lost) {
      const at = slots.find(key)
      attempts.delete(numberOf(key))
      if (phaseAt(at) < phases.over) finish(at, 'unseen', Number.NaN)
      slots.remove(at)
    }
  }

  return {
    hear,
    beginList: () => {
      generation = (generation % generations) + 1
      destroyed = new Set()
    },
    list,
    endList,
    end: (entry, reason, moment) => {
      const key = keyOf(entry)
      const at = slots.find(key)
      if (at === -1 || phaseAt(at) >= phases.over) return false
      const isAttempt = phaseAt(at) === phases.attempt
      if (isAttempt) setAside(at, key)
      else finish(at, reason, moment)
      return !isAttempt
    },
    begunAt: (entry) => {
      const at = slots.find(keyOf(entry))
      const begun = at === -1 || phaseAt(at) >= phases.over ? Number.NaN : (slots.columns().time[at] ?? Number.NaN)
      return Number.isNaN(begun) ? null : begun
    },
    attempts: (mark) => [...attempts.values()].filter((attempt) => attempt.mark === mark),
    overdue: (moment, limitOf) => {
      const found = [...attempts.values()].filter(({ begunAt, mark }) => moment - begunAt >= limitOf(mark))
      for (const attempt of found) {
        const key = keyOf(attempt)
        const at = slots.find(key)
        tallyAt(at).countFailure(false)
        setAside(at, key)
      }
      return found
    },
    failures: tallies.failures,
    servers: tallies.servers,
    listeners: tallies.listeners,
    forget: tallies.forget,
    known: slots.size,
    unknown: () => unknown,
  }
}

/** Which phase a state of TCP is. What stands between the beginning and the end has been established. */
const phaseOf = ({ tcpState, hasReply }: TrackedEntry): number => {
  switch (tcpState) {
    case 'syn-sent':
    case 'simultaneous-open':
    case 'none':
    case null:
      return hasReply ? phases.answered : phases.attempt
    case 'syn-received':
      return phases.answered
    case 'time-wait':
    case 'close':
      return phases.over
    default:
      return phases.established
  }
}

/** An entry that somebody deleted has time left. */
const isExpired = ({ remaining }: TrackedEntry): boolean => remaining === null || remaining === 0

const keyOf = ({ id, original }: EntryKey): SessionKey => ({ id, hash: hashOf(original) })

/** The key as one number, exact up to 52 bits. */
const numberOf = ({ id, hash }: SessionKey): number => id * 0x10_0000 + (hash & 0xf_ffff)
