// Carries out what core/peer.ts says of one other balancer, and tells it exceptions as fast as it takes them.

import { performance } from 'node:perf_hooks'
import type { TLSSocket } from 'node:tls'
import { isDeepStrictEqual } from 'node:util'
import type { Logger } from 'pino'
import { type Endpoint, endpointText } from '../core/endpoint.ts'
import { type Millis, millis } from '../core/time.ts'
import type { PeerState as PeerReport } from '../pool/core/peers-fact.ts'
import type { BetterKnown, SessionException, SessionOver } from '../pool/core/session-exception.ts'
import { type Connection, openConnection } from './connection.ts'
import { type Difference, differencesOf, heldByBoth } from './core/differences.ts'
import type { PeerTable } from './core/messages.ts'
import { initialPeer, nextDeadline, type PeerEffect, type PeerEvent, type Speaker, step } from './core/peer.ts'
import { createToldBook, type FindSession, type ToldBook } from './core/told-book.ts'
import { type Attempt, attempt, identityOf, type Key } from './transport.ts'

/** What the forwarder hears. `peer` is the configured address of the other one, `10.1.6.205:9224`. */
export type PeerHandlers = {
  /** Its slots, when it is connected and whenever they change; null: it is not connected any more. */
  readonly onTables: (peer: string, tables: readonly PeerTable[] | null) => void
  /**
   * Exceptions that it has. The answer are sessions of these that were heard later here, and go to another server or are over: that is
   * told back, exceptions or not, since there an entry would stay that is wrong. What is told next waits until this resolves.
   */
  readonly onTold: (peer: string, exceptions: readonly SessionException[]) => Promise<BetterKnown> | BetterKnown
  /** As the last look at the flows knows it. */
  readonly find: FindSession
  /**
   * What is over there. To be deleted here as well where it was taken from a peer and no packet of it has been seen here since, and where
   * its last packet came here before its client said goodbye there.
   */
  readonly onGone: (peer: string, sessions: readonly SessionOver[]) => Promise<void> | void
}

export type PeerOptions = PeerHandlers & {
  readonly address: Endpoint
  readonly listen: Endpoint
  readonly self: Speaker
  readonly key: Key
  readonly own: readonly PeerTable[]
  readonly holds: readonly string[]
  readonly log: Logger
  /** Something that a report shows has changed; `isUrgent`: it came or went. */
  readonly onChange: (isUrgent: boolean) => void
}

/** One other balancer. */
export type Peer = {
  readonly name: string
  readonly address: Endpoint
  readonly tables: () => readonly PeerTable[] | null
  readonly report: () => PeerReport
  /** Whether it has told all that it has, by this connection or an earlier one. */
  readonly isSynced: () => boolean
  readonly accept: (socket: TLSSocket) => void
  readonly setOwn: (own: readonly PeerTable[]) => void
  /** The addresses that VRRP moves and that are here now. */
  readonly setHolds: (addresses: readonly string[]) => void
  readonly setExceptions: (tables: readonly PeerTable[], exceptions: readonly SessionException[]) => void
  readonly isConnected: () => boolean
  /** A connection from there could not be made. */
  readonly hearTrouble: (why: string) => void
  readonly stop: () => Promise<void>
}

/** Entries of the book looked at in one turn of the loop: a millisecond or two. */
const entriesPerTurn = 4000
const stuckLimit = 5000
/** So long two may see a server otherwise, or an operator may take to give both an order, before it is worth a line in the log. */
const differenceLimit = 10_000
/** And two masters: longer than any hand-over. */
const usualLimit = 3000
const usefulReasons = 50
const otherVersion = 'it runs another version of the balancer, which speaks otherwise; upgrade both'

/** Connects, and goes on with that until it is stopped. */
export const startPeer = (options: PeerOptions): Peer => {
  const { address, listen, self, key, log, onTables, onTold, onGone, onChange } = options
  const name = endpointText(address)
  const now = (): Millis => millis(performance.now())
  let { own, holds } = options
  let theirHolds: readonly string[] = []
  let state = initialPeer(self, own, now())
  const connections = new Map<number, Connection>()
  const goodbyes = new Set<Promise<void>>()
  let trying: Attempt | null = null
  let lastLink = 0
  let timer: NodeJS.Timeout | null = null

  let routerId: string | null = null
  let tables: readonly PeerTable[] | null = null
  let book: ToldBook | null = null
  let hasOffered = false
  let hasSaidSynced = false
  let isSynced = false
  let taken = 0
  let since = Date.now()
  let why: string | null = 'not tried yet'
  let malformed: Readonly<Record<string, number>> = {}
  let warnings: readonly string[] = []
  const passing = new Map<string, { readonly since: Millis; readonly limit: number; isSaid: boolean }>()
  const shown = (): string => (routerId === null ? `Peer ${name}` : `Peer ${routerId} (${name})`)
  /** Reasons already told since it was connected last. */
  const told = new Set<string>()

  const complain = (text: string): void => {
    if (state.current === null && why !== text) {
      why = text
      onChange(true)
    }
    if (told.has(text) || told.size >= usefulReasons) return
    told.add(text)
    log.warn({ peer: name }, `${shown()} is not connected: ${text}`)
  }
  const countMalformed = (reason: string): void => {
    malformed = { ...malformed, [reason]: (malformed[reason] ?? 0) + 1 }
    onChange(false)
    if (malformed[reason] === 1) {
      log.warn({ peer: name, reason }, `${shown()} says what is not understood (${reason}); it is left out and counted`)
    }
  }
  const compare = (): void => {
    const before = new Set(warnings)
    const who = routerId ?? name
    const differences =
      tables === null ? [] : [...heldByBoth(holds, theirHolds, who), ...differencesOf(own, tables, who)]
    for (const text of passing.keys()) if (!differences.some((one) => one.text === text)) passing.delete(text)
    for (const { text, isPassing, isUsual } of differences) {
      const limit = isUsual === true ? usualLimit : differenceLimit
      if (isPassing) passing.set(text, passing.get(text) ?? { since: now(), limit, isSaid: false })
      else if (!before.has(text)) log.warn({ peer: name }, `${shown()}: ${text}`)
    }
    const isShown = ({ text, isUsual }: Difference): boolean => isUsual !== true || passing.get(text)?.isSaid === true
    warnings = differences.filter(isShown).map(({ text }) => text)
    onChange(false)
  }
  const hold = (here: readonly string[], there: readonly string[]): void => {
    const isSame = isDeepStrictEqual([holds, theirHolds], [here, there])
    ;[holds, theirHolds] = [here, there]
    if (!isSame) compare()
  }
  const sayWhatDoesNotPass = (): void => {
    for (const [text, one] of passing) {
      if (one.isSaid || now() - one.since < one.limit) continue
      one.isSaid = true
      log.warn({ peer: name }, `${shown()}: for ${one.limit / 1000} s now, ${text}`)
      compare()
    }
  }

  let isPumping = false
  const pump = (): void => {
    isPumping = false
    const connection = state.current === null ? undefined : connections.get(state.current)
    if (connection === undefined || book === null || connection.isFull()) return
    const { message, isDone } = book.next(now(), entriesPerTurn)
    if (message !== null) connection.send(message)
    if (!isDone) pumpSoon()
    else if (hasOffered && !hasSaidSynced) {
      hasSaidSynced = true
      connection.send({ type: 'synced' })
    }
    if (message !== null || isDone) onChange(false)
  }
  const pumpSoon = (): void => {
    if (isPumping) return
    isPumping = true
    setImmediate(pump)
  }

  const open = (socket: TLSSocket, direction: 'in' | 'out'): void => {
    lastLink += 1
    const link = lastLink
    const onClosed = (text: string): void => {
      connections.delete(link)
      void dispatch({ type: 'closed', now: now(), link, why: text, random: Math.random() })
    }
    const connection = openConnection({
      socket,
      onHeard: () => void dispatch({ type: 'heard', now: now(), link }),
      onMessage: (message) => dispatch({ type: 'message-received', now: now(), link, message, random: Math.random() }),
      onMalformed: (reason) => {
        countMalformed(reason)
        // Nothing that it says can be understood: to wait for its hello would be to blame it for that.
        if (reason === 'other-protocol') giveUp(link, otherVersion)
      },
      onRoom: pumpSoon,
      onClosed,
    })
    connections.set(link, connection)
    void dispatch({ type: 'connected', now: now(), link, direction })
  }

  const giveUp = (link: number, text: string): void => {
    void carryOut({ do: 'close', link, why: text })
    void dispatch({ type: 'closed', now: now(), link, why: text, random: Math.random() })
  }

  const carryOut = (effect: PeerEffect): Promise<void> | void => {
    switch (effect.do) {
      case 'connect':
        trying = attempt({
          ...{ to: address, from: listen, key, identity: identityOf(self.routerId, listen) },
          onSecure: (socket) => open(socket, 'out'),
          onFailure: (text) => void dispatch({ type: 'attempt-failed', now: now(), why: text, random: Math.random() }),
        })
        return
      case 'abandon-attempt':
        trying?.abandon()
        return
      case 'send':
        connections.get(effect.link)?.send(effect.message)
        return
      case 'close': {
        const goodbye = connections.get(effect.link)?.close(effect.why)
        connections.delete(effect.link)
        if (goodbye !== undefined) {
          goodbyes.add(goodbye)
          void goodbye.then(() => goodbyes.delete(goodbye))
        }
        return
      }
      case 'up':
        if (why !== null) since = Date.now()
        routerId = effect.routerId
        book = createToldBook(options.find)
        ;[hasOffered, hasSaidSynced, taken, tables] = [false, false, 0, null]
        if (why !== null) log.info({ peer: name }, `${shown()} is connected`)
        why = null
        told.clear()
        onChange(true)
        return
      case 'tables':
        tables = effect.tables
        compare()
        onTables(name, tables)
        return
      case 'holds':
        hold(holds, effect.addresses)
        return
      case 'pass-on':
        return passOn(effect.message)
      case 'down':
        since = Date.now()
        ;[book, tables, warnings, theirHolds] = [null, null, [], []]
        passing.clear()
        complain(effect.why)
        onTables(name, null)
        return
      case 'trouble':
        complain(effect.why)
        return
      case 'count-unexpected':
        countMalformed('unexpected')
        return
      default:
        effect satisfies never
    }
  }

  const passOn = (message: Extract<PeerEffect, { do: 'pass-on' }>['message']): Promise<void> | void => {
    switch (message.type) {
      case 'told': {
        const { listener, bind } = message
        const exceptions = message.sessions.map(([client, server, idle, timeout]) => ({
          ...{ listener, bind, client, server, idle, timeout },
        }))
        book?.hasTold(exceptions, now())
        taken += exceptions.length
        onChange(false)
        return answer(onTold(name, exceptions))
      }
      case 'gone': {
        const { listener, bind, idle } = message
        const sessions = message.clients.map((client, i) => ({ listener, bind, client, idle: idle?.[i] ?? null }))
        book?.hasNot(sessions)
        return onGone(name, sessions)
      }
      case 'synced':
        isSynced = true
        onChange(true)
        return
      default:
        message satisfies never
    }
  }

  const answer = async (known: ReturnType<typeof onTold>): Promise<void> => {
    const { better, over } = await known
    if (better.length + over.length === 0) return
    book?.correct(better, now())
    book?.retract(over, now())
    pumpSoon()
  }

  const dispatch = async (event: PeerEvent): Promise<void> => {
    const [next, effects] = step(state, event)
    state = next
    const done = effects.map(carryOut)
    arm()
    await Promise.all(done)
  }
  const arm = (): void => {
    if (timer !== null) clearTimeout(timer)
    const at = nextDeadline(state)
    timer = at === null ? null : setTimeout(due, Math.max(0, at - now()) + 1)
  }
  // After a stall timers fire before sockets are read: what has come in meanwhile is heard first.
  const due = (): void => void setImmediate(onDeadline)
  const onDeadline = (): void => {
    sayWhatDoesNotPass()
    for (const [link, connection] of connections) {
      if (connection.isBusy()) void dispatch({ type: 'heard', now: now(), link })
      if (connection.fullFor() < stuckLimit) continue
      giveUp(link, `it takes nothing that it is sent for ${stuckLimit / 1000} s`)
    }
    void dispatch({ type: 'deadline-reached', now: now(), random: Math.random() })
  }
  arm()
  void dispatch({ type: 'own-addresses-changed', now: now(), holds })

  return {
    ...{ name, address },
    tables: () => tables,
    report: () => ({
      ...{ address: name, name: routerId, connected: why === null, since, why },
      ...{ told: book?.told() ?? 0, taken, holds: theirHolds, warnings, malformed },
    }),
    isSynced: () => isSynced,
    accept: (socket) => open(socket, 'in'),
    setOwn: (next) => {
      own = next
      void dispatch({ type: 'own-tables-changed', now: now(), own })
      if (tables !== null) compare()
    },
    setHolds: (addresses) => {
      void dispatch({ type: 'own-addresses-changed', now: now(), holds: addresses })
      hold(addresses, theirHolds)
    },
    setExceptions: (against, exceptions) => {
      if (book === null || tables !== against) return
      book.offer(exceptions, now())
      hasOffered = true
      pumpSoon()
    },
    isConnected: () => state.current !== null,
    hearTrouble: complain,
    stop: async () => {
      void dispatch({ type: 'stop-requested', now: now() })
      if (timer !== null) clearTimeout(timer)
      await Promise.all(goodbyes)
    },
  }
}
