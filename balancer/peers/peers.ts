// The other balancers: who is connected, what they are told of sessions and what they tell. Runs where the flows are.

import { randomBytes } from 'node:crypto'
import { performance } from 'node:perf_hooks'
import { isDeepStrictEqual } from 'node:util'
import type { Logger } from 'pino'
import { createBoundedLog } from '../bounded-log.ts'
import type { PeersConfig } from '../config/schema.ts'
import { type Endpoint, endpointText } from '../core/endpoint.ts'
import { millis } from '../core/time.ts'
import { failOverCost, type PeersFact } from '../pool/core/peers-fact.ts'
import type { SessionException } from '../pool/core/session-exception.ts'
import { type Acceptor, type Refusal, refusalWords, startAcceptor } from './acceptor.ts'
import type { PeerTable } from './core/messages.ts'
import { startSync } from './core/start-sync.ts'
import { type Peer, type PeerHandlers, startPeer } from './peer-driver.ts'
import { keysDiffer, listenOf } from './transport.ts'

export type { PeerTable } from './core/messages.ts'
export type { PeerHandlers } from './peer-driver.ts'

export type PeersOptions = PeerHandlers & {
  /** Undefined: there are no peers, and the report says what that costs. */
  readonly config: PeersConfig | undefined
  readonly routerId: string
  readonly log: Logger
  readonly publish: (fact: PeersFact) => void
}

/**
 * Connections to the other balancers. `peer` is everywhere the configured address of one, `10.1.6.205:9224`; all callbacks come
 * in later turns of the loop.
 */
export type Peers = {
  /** The listeners with `datapath: direct` as they are now; others are told at once. */
  readonly setOwn: (tables: readonly PeerTable[]) => void
  /** The addresses that VRRP moves and that are here now: where another balancer has one too, both say so. */
  readonly setHolds: (addresses: readonly string[]) => void
  /** Who is connected, with its tables as `onTables` gave them. */
  readonly connected: () => readonly { readonly peer: string; readonly tables: readonly PeerTable[] }[]
  /**
   * All exceptions that a peer has to know, as they are now: against the own tables and against these of the peer, which have to be
   * the very value of `connected` or `onTables`; for others it does nothing. To be called after each look at the flows, with an empty list as
   * well. What is new, would expire there, or is gone, is found out here. The list must not be changed afterwards.
   */
  readonly setExceptions: (peer: string, tables: readonly PeerTable[], exceptions: readonly SessionException[]) => void
  /** How many sessions the own slots would send to another server: what a fail-over costs where nobody was told. */
  readonly setExposed: (sessions: number) => void
  /**
   * Resolves when a balancer that has just started may take the address: all peers that can be connected within 3 s have told
   * what they have, or 10 s are over. It says who has not.
   */
  readonly synced: () => Promise<{ readonly missing: readonly string[] }>
  readonly state: () => PeersFact
  /** Applies another configuration and says what changed, a line each. A changed key ends what was made with the old one. */
  readonly reconfigure: (config: PeersConfig | undefined, routerId: string) => readonly string[]
  /** Says goodbye to all. */
  readonly stop: () => Promise<void>
}

const publishInterval = 500

/** All balancers may have the same list: who finds itself in it leaves itself out. */
const othersIn = ({ listen, to }: PeersConfig): readonly Endpoint[] =>
  to.filter((endpoint) => !isDeepStrictEqual(endpoint, listen))

const describePeersChange = (before: PeersConfig | undefined, after: PeersConfig | undefined): readonly string[] => {
  if (after === undefined) return before === undefined ? [] : ['peers removed']
  if (before === undefined) return ['peers added']
  const [was, is] = [before, after].map(({ to }) => to.map(endpointText))
  const [from, to] = [before, after].map(({ listen }) => endpointText(listen))
  return [
    ...(from === to ? [] : [`peers: listen ${from} -> ${to}`]),
    ...(was ?? []).filter((one) => !is?.includes(one)).map((one) => `peers: ${one} removed`),
    ...(is ?? []).filter((one) => !was?.includes(one)).map((one) => `peers: ${one} added`),
  ]
}

/** Begins to listen and to connect. Never throws: what does not work is told, and tried again. */
export const startPeers = (options: PeersOptions): Peers => {
  const { log, publish } = options
  const bounded = createBoundedLog(log)
  const instance = randomBytes(8).toString('hex')
  const begunAt = millis(performance.now())
  let { config, routerId } = options
  let own: readonly PeerTable[] = []
  let holds: readonly string[] = []
  let exposed: number | null = null
  let trouble: string | null = null
  let refused: Readonly<Record<string, number>> = {}
  let acceptor: Acceptor | null = null
  let peers: readonly Peer[] = []
  let ending: Promise<unknown> = Promise.resolve()
  let isStopped = false

  const state = (): PeersFact => ({
    fact: 'peers',
    listen: config === undefined ? null : endpointText(config.listen),
    trouble,
    exceptions: exposed,
    peers: peers.map((peer) => peer.report()),
    refused,
  })
  let published: PeersFact | null = null
  let publishTimer: NodeJS.Timeout | null = null
  const publishNow = (): void => {
    if (publishTimer !== null) clearTimeout(publishTimer)
    publishTimer = null
    const fact = state()
    if (isStopped || isDeepStrictEqual(fact, published)) return
    published = fact
    publish(fact)
    sayCost(failOverCost(fact))
  }
  const changed = (isUrgent: boolean): void => {
    lookAtStart()
    if (isUrgent) setImmediate(publishNow)
    else publishTimer ??= setTimeout(publishNow, publishInterval).unref()
  }
  let isCostly = false
  const sayCost = (cost: string | null): void => {
    if (cost !== null && !isCostly) bounded('warn', 'cost', {}, `Without a connection to every peer ${cost}`)
    isCostly = cost !== null
  }

  const onRefused = (reason: Refusal, from: string): void => {
    refused = { ...refused, [reason]: (refused[reason] ?? 0) + 1 }
    changed(false)
    const lost = reason === 'other-key' ? peersAt(from).filter((peer) => !peer.isConnected()) : []
    for (const peer of lost) peer.hearTrouble(keysDiffer)
    if (lost.length > 0) return
    // A socket whose other end has gone meanwhile tells no address.
    const who = from === '' ? 'A connection that is gone already,' : `A connection of ${from}`
    bounded('warn', reason, { from, reason }, `${who} to peers.listen was not taken: ${refusalWords[reason]}`)
  }
  const peersAt = (from: string): readonly Peer[] => peers.filter(({ address }) => address.address === from)
  /** Several may have one address; then it says which it is. */
  const callerOf = (address: string, identity: string): Peer | undefined => {
    const candidates = peersAt(address)
    return (
      candidates.find(({ name }) => name === listenOf(identity)) ??
      (candidates.length === 1 ? candidates[0] : undefined)
    )
  }

  const begin = (): void => {
    if (config?.key === undefined) return
    const { listen } = config
    const key = Buffer.from(config.key, 'base64')
    acceptor = startAcceptor({
      ...{ listen, key, onRefused },
      mayConnect: (address) => peersAt(address).length > 0,
      onSecure: (socket, address, identity) => {
        const peer = callerOf(address, identity)
        if (peer !== undefined) return peer.accept(socket)
        socket.destroy()
        onRefused('not-a-peer', address)
      },
      onTrouble: (text) => {
        if (text !== null && text !== trouble) log.warn(`Peers: ${text}; it is tried again every second`)
        trouble = text
        changed(true)
      },
    })
    keepPeersAt(othersIn(config))
  }
  /** Those that stay keep their connections. */
  const keepPeersAt = (addresses: readonly Endpoint[]): void => {
    if (config?.key === undefined) return
    const here = { listen: config.listen, key: Buffer.from(config.key, 'base64'), self: { routerId, instance } }
    const known = new Map(peers.map((peer) => [peer.name, peer]))
    peers = addresses.map((address) => {
      const kept = known.get(endpointText(address))
      known.delete(endpointText(address))
      return kept ?? startPeer({ ...options, ...here, address, own, holds, onChange: changed })
    })
    ending = Promise.all([ending, ...[...known.values()].map((peer) => peer.stop())])
    changed(true)
  }

  /** What was begun ends, and what follows waits for it: the port must be free. */
  const end = (): void => {
    const [was, by] = [peers, acceptor]
    peers = []
    acceptor = null
    trouble = null
    ending = Promise.all([ending, by?.stop(), ...was.map((peer) => peer.stop())])
  }

  let onSynced: ((missing: readonly string[]) => void) | null = null
  const whenSynced = new Promise<{ readonly missing: readonly string[] }>((resolve) => {
    onSynced = (missing) => resolve({ missing })
  })
  let startTimer: NodeJS.Timeout | null = null
  const lookAtStart = (): void => {
    if (onSynced === null) return
    const now = millis(performance.now())
    const awaited = peers.map((peer) => ({
      name: peer.name,
      isConnected: peer.report().connected,
      isSynced: peer.isSynced(),
    }))
    const { isOver, missing, lookAt } = startSync(begunAt, now, awaited)
    if (startTimer !== null) clearTimeout(startTimer)
    if (lookAt !== null) startTimer = setTimeout(lookAtStart, lookAt - now + 1)
    if (!isOver) return
    onSynced(missing)
    onSynced = null
  }

  begin()
  lookAtStart()
  return {
    setOwn: (tables) => {
      own = tables
      for (const peer of peers) peer.setOwn(tables)
    },
    setHolds: (addresses) => {
      if (isDeepStrictEqual(addresses, holds)) return
      holds = addresses
      for (const peer of peers) peer.setHolds(addresses)
    },
    connected: () =>
      peers.flatMap((peer) => {
        const tables = peer.tables()
        return tables === null ? [] : [{ peer: peer.name, tables }]
      }),
    setExceptions: (name, tables, exceptions) =>
      peers.find((peer) => peer.name === name)?.setExceptions(tables, exceptions),
    setExposed: (sessions) => {
      if (sessions === exposed) return
      exposed = sessions
      changed(false)
    },
    synced: () => whenSynced,
    state,
    reconfigure: (next, nextRouterId) => {
      const before = config
      const isSameHere =
        routerId === nextRouterId && before?.key === next?.key && isDeepStrictEqual(before?.listen, next?.listen)
      ;[config, routerId] = [next, nextRouterId]
      if (!isSameHere) {
        end()
        void ending.then(() => (isStopped || acceptor !== null ? undefined : begin()))
      } else if (next !== undefined && acceptor !== null) keepPeersAt(othersIn(next))
      changed(true)
      return describePeersChange(before, next)
    },
    stop: async () => {
      isStopped = true
      for (const timer of [publishTimer, startTimer]) if (timer !== null) clearTimeout(timer)
      end()
      await ending
    },
  }
}
