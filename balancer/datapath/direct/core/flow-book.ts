// What is known of the flows of a bind, from one look at its map after the other: sessions, those that begin and end, and those whose
// server is another one than slots say. PURE: no clock and no socket, but changed in place, for 200,000 of them.

import { type Millis, millis } from '../../../core/time.ts'
import { type ClientHash, slotOfClient } from './flow-key.ts'
import { closingBit, endedBit, numberMask } from './flow-marks.ts'
import { createFlowTable } from './flow-table.ts'
import { createTally } from './tally.ts'

/**
 * The state of a flow. `attempt`: SYNs, or one packet of an unknown session, and nothing more yet. `live`: a session. `closing`: its client
 * has said FIN or RST. `ended`: this program has ended it.
 */
export type FlowState = 'attempt' | 'live' | 'closing' | 'ended'

/** What the map holds of one flow; see os/nft-element-message.ts. */
export type SeenFlow = {
  readonly buffer: Uint8Array
  readonly keyAt: number
  readonly value: number
  readonly expires: number | null
}

/**
 * One flow. `begunAfter`: when the last look began that did not have it, and `begunBy`: when it was first seen; both are -Infinity
 * where it was there at the first look. Its client was heard at `heardAt`; it ends by itself at `expiresAt` without a packet.
 */
export type Flow = {
  readonly key: Uint8Array
  readonly number: number
  readonly state: FlowState
  readonly begunAfter: Millis
  readonly begunBy: Millis
  readonly heardAt: Millis
  readonly expiresAt: Millis
}

/**
 * A session that is over: by its client's FIN or RST, by silence, ended by this program, because its client's port began anew, or
 * because somebody took it out of the map.
 */
export type GoneFlow = Flow & { readonly reason: 'closed' | 'idle' | 'ended' | 'reused' | 'removed' }

/**
 * Sessions that began and ended since the end of the look before. `unanswered`: by number, the attempts that never became one: the
 * server did not answer, or refused, which passes no balancer.
 */
export type FlowChanges = {
  readonly begun: readonly Flow[]
  readonly gone: readonly GoneFlow[]
  readonly unanswered: ReadonlyMap<number, number>
}

/** Flows of one server. `total`: sessions that were seen since the book was begun. */
export type FlowCounts = {
  readonly attempts: number
  readonly live: number
  readonly closing: number
  readonly total: number
}

/** Which server's number a slot has; 0 where nobody takes it. */
export type NumberedSlots = ClientHash & { readonly numbers: ArrayLike<number> }

/** A session whose server is another one than slots say: its client is silent for `idle`, and it is over after `timeout` of that. */
export type FlowException = {
  readonly key: Uint8Array
  readonly number: number
  readonly idle: Millis
  readonly timeout: Millis
}

/** A look at the map: when it begins, and the timeouts of the listener. */
export type Look = { readonly at: Millis; readonly idle: Millis; readonly connect: Millis }

/** The book. Moments are milliseconds of one clock. */
export type FlowBook = {
  readonly beginLook: (look: Look) => void
  /** An element, listed at `at`; more than once does no harm, nor does one between looks that this program has made. */
  readonly see: (flow: SeenFlow, at: number) => void
  /** `isTorn`: nothing follows from what was not seen. */
  readonly endLook: (end: { readonly at: Millis; readonly isTorn: boolean }) => FlowChanges
  readonly counts: (number: number) => FlowCounts
  readonly size: () => number
  readonly find: (key: Uint8Array) => Flow | null
  readonly visit: (visit: (flow: Flow) => void) => void
  /** The live sessions that are not where at least one of these has them, and all that were seen by `allBegunBy`. */
  readonly exceptionsAgainst: (
    tables: readonly NumberedSlots[],
    now: Millis,
    allBegunBy?: number,
  ) => readonly FlowException[]
}

/** What the rules give a flow that ends, and one that they have not seen begin. */
const shortTimeout = 60_000
/** The least that they give a SYN. */
const leastConnect = 10_000

/** Lists lack elements while packets change the map: it takes so many in a row to say that one is gone before its time. */
const mostMissed = 5
/** Ticks of the kernel, and the time from an element's listing to its reading, in milliseconds. */
const tolerance = 500
const states: readonly FlowState[] = ['attempt', 'live', 'closing', 'ended']
const [attempt, live, closing, ended] = [0, 1, 2, 3]

const nothing = () => ({ begun: [], gone: [], unanswered: new Map<number, number>() })

/** A book without flows, for keys of so many bytes; `seed`: a number by chance. */
export const createFlowBook = (keyBytes: number, seed: number): FlowBook => {
  const table = createFlowTable(keyBytes, seed)
  const totals = createTally()
  const tallies = states.map(createTally)
  let look: Look = { at: millis(0), idle: millis(0), connect: millis(0) }
  let looks = 0
  let lookBefore = Number.NEGATIVE_INFINITY
  let changes: { begun: Flow[]; gone: GoneFlow[]; unanswered: Map<number, number> } = nothing()
  let connect = 0
  /** With more time than this left it is more than an attempt. */
  let unproven = 0

  const flowAt = (i: number): Flow => {
    const { number, phase, begunAfter, begunBy, heardAt, expiresAt } = table.columns()
    return {
      key: table.keyOf(i),
      number: number[i] ?? 0,
      state: states[phase[i] ?? 0] ?? 'attempt',
      begunAfter: millis(begunAfter[i] ?? 0),
      begunBy: millis(begunBy[i] ?? 0),
      heardAt: millis(heardAt[i] ?? 0),
      expiresAt: millis(expiresAt[i] ?? 0),
    }
  }
  const count = (i: number, by: 1 | -1): void => {
    const { number, phase } = table.columns()
    tallies[phase[i] ?? 0]?.add(number[i] ?? 0, by)
  }
  /** It was a session until now. */
  const end = (i: number, reason: GoneFlow['reason']): void => {
    if (table.columns().phase[i] === live) changes.gone.push({ ...flowAt(i), reason })
  }
  const enter = (i: number, phase: number): void => {
    const columns = table.columns()
    const wasLive = columns.phase[i] === live
    columns.phase[i] = phase
    if (phase !== live || wasLive) return
    totals.add(columns.number[i] ?? 0, 1)
    changes.begun.push(flowAt(i))
  }
  const begin = (i: number, number: number, at: number): void => {
    const columns = table.columns()
    columns.phase[i] = attempt
    columns.number[i] = number
    columns.begunAfter[i] = lookBefore
    columns.begunBy[i] = looks === 0 ? Number.NEGATIVE_INFINITY : at
  }
  const see: FlowBook['see'] = ({ buffer, keyAt, value, expires }, at) => {
    const number = value & numberMask
    const left = expires ?? look.idle
    const expiresAt = at + left
    const known = table.find(buffer, keyAt)
    const i = known < 0 ? table.add(buffer, keyAt) : known
    const columns = table.columns()
    const phase = (value & endedBit) !== 0 ? ended : (value & closingBit) !== 0 ? closing : live
    if (known < 0) begin(i, number, at)
    else {
      count(i, -1)
      const before = columns.phase[i] ?? attempt
      // A SYN makes the element anew, with less time than packets of a session leave it.
      const isShorter = left <= unproven && expiresAt < (columns.expiresAt[i] ?? 0) - tolerance
      const isAnew = phase === live && (before > live || (before === live && isShorter))
      if (isAnew || number !== columns.number[i]) {
        end(i, 'reused')
        begin(i, number, at)
      } else if (phase > live && before === live) end(i, phase === ended ? 'ended' : 'closed')
    }
    // What was a session stays one until it ends, however little time it has left.
    const becomes = phase === live && left <= unproven && columns.phase[i] !== live ? attempt : phase
    const given = becomes === live ? look.idle : phase !== live || left > connect ? shortTimeout : connect
    columns.look[i] = looks + 1
    columns.expiresAt[i] = expiresAt
    columns.heardAt[i] = Math.min(at, expiresAt - given)
    enter(i, becomes)
    count(i, 1)
  }
  return {
    beginLook: (next) => {
      look = next
      // With an idle timeout shorter than those of beginnings they cannot be told apart.
      connect = Math.max(look.connect, leastConnect)
      unproven = [Math.max(connect, shortTimeout), connect].find((limit) => limit < look.idle) ?? 0
    },
    see,
    endLook: ({ at, isTorn }) => {
      for (let i = 0; i < table.columns().taken.length; ) {
        const { taken, look: seen, expiresAt, phase, number } = table.columns()
        const missed = looks + 1 - (seen[i] ?? 0)
        const isOver = (expiresAt[i] ?? 0) < at - tolerance
        if (taken[i] === 1 && missed > 0 && (isOver || (!isTorn && missed >= mostMissed))) {
          end(i, isOver ? 'idle' : 'removed')
          if (isOver && phase[i] === attempt) {
            changes.unanswered.set(number[i] ?? 0, (changes.unanswered.get(number[i] ?? 0) ?? 0) + 1)
          }
          count(i, -1)
          table.remove(i)
        } else i += 1
      }
      if (!isTorn) looks += 1
      if (!isTorn) lookBefore = look.at
      table.shrink()
      const told = changes
      changes = nothing()
      return told
    },
    counts: (number) => ({
      attempts: tallies[attempt]?.of(number) ?? 0,
      live: tallies[live]?.of(number) ?? 0,
      closing: tallies[closing]?.of(number) ?? 0,
      total: totals.of(number),
    }),
    size: table.size,
    find: (key) => {
      const i = table.find(key, 0)
      return i < 0 ? null : flowAt(i)
    },
    visit: (visit) => {
      for (let i = 0; i < table.columns().taken.length; i += 1) if (table.columns().taken[i] === 1) visit(flowAt(i))
    },
    exceptionsAgainst: (tables, now, allBegunBy) => {
      const { taken, phase, number, begunBy, heardAt, keys } = table.columns()
      const hashes = byHash(tables)
      const found: FlowException[] = []
      for (let i = 0; i < taken.length; i += 1) {
        if (taken[i] !== 1 || phase[i] !== live) continue
        const at = i * keyBytes
        const isSettled = allBegunBy !== undefined && (begunBy[i] ?? 0) <= allBegunBy
        const isElsewhere = (): boolean =>
          hashes.some(({ hash, tables: withHash }) => {
            const slot = slotOfClient(keys, at, keyBytes, hash)
            return withHash.some(({ numbers }) => (numbers[slot] ?? 0) !== number[i])
          })
        const idle = Math.max(0, now - (heardAt[i] ?? 0))
        if (idle >= look.idle || !(isSettled || isElsewhere())) continue
        found.push({ key: table.keyOf(i), number: number[i] ?? 0, idle: millis(idle), timeout: look.idle })
      }
      return found
    },
  }
}

/** Balancers that agree hash alike: once for all of them. */
const byHash = (
  tables: readonly NumberedSlots[],
): readonly { readonly hash: ClientHash; readonly tables: readonly NumberedSlots[] }[] => {
  const nameOf = ({ hash, seed, slotCount }: ClientHash): string => `${hash} ${seed} ${slotCount}`
  return [...new Map(tables.map((one) => [nameOf(one), one]))].map(([name, hash]) => ({
    hash,
    tables: tables.filter((one) => nameOf(one) === name),
  }))
}
