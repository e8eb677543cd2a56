// The direct datapath with the other balancers: what those tell of sessions comes to the rules, and the other way round.

import { setTimeout as wait } from 'node:timers/promises'
import type { BalancerConfig } from '../config/schema.ts'
import type { DatapathOptions, RunningDatapath } from '../datapath/datapath.ts'
import { type DirectOptions, startDirect } from '../datapath/direct/direct.ts'
import { type Peers, startPeers } from '../peers/peers.ts'
import type { PeersFact } from '../pool/core/facts.ts'

/** What it needs beside: the configuration as it is then. */
export type DirectRoomOptions = DatapathOptions &
  Omit<DirectOptions, 'others'> & {
    readonly config: () => BalancerConfig
    readonly publishPeers: (fact: PeersFact) => void
    /** Milliseconds to wait at most for what the others know of sessions: this balancer may be master then. */
    readonly patience: number
  }

/** It, and the connections to the others, which follow the configuration. */
export type DirectRoom = RunningDatapath & { readonly reconfigurePeers: () => readonly string[] }

/** Starts both. Throws `FailedStart`. */
export const startDirectRoom = async (options: DirectRoomOptions): Promise<DirectRoom> => {
  const { config, log, publishPeers } = options
  /** They begin when there are slots to tell of. */
  let peers: Peers | undefined
  let own: Parameters<Peers['setOwn']>[0] = []
  const direct = await startDirect({
    ...options,
    others: {
      addresses: () => config().peers?.to.map(({ address }) => address) ?? [],
      setOwn: (tables) => {
        own = tables
        peers?.setOwn(tables)
      },
      setHolds: (addresses) => peers?.setHolds(addresses),
      connected: () => peers?.connected() ?? [],
      isComplete: () => {
        const all = peers?.state().peers ?? []
        return all.length > 0 && all.every(({ connected }) => connected)
      },
      setExceptions: (peer, tables, exceptions) => peers?.setExceptions(peer, tables, exceptions),
      setExposed: (sessions) => peers?.setExposed(sessions),
    },
  })
  const running = startPeers({
    config: config().peers,
    routerId: config().router_id,
    log,
    publish: publishPeers,
    onTables: (_, tables) => direct.othersChanged(tables === null),
    onTold: direct.told,
    find: direct.find,
    onGone: direct.gone,
  })
  running.setOwn(own)
  peers = running
  if (direct.waits()) await Promise.race([running.synced(), wait(options.patience)])
  direct.open()
  return {
    ...direct,
    reconfigurePeers: () => running.reconfigure(config().peers, config().router_id),
    // Two programs of an upgrade would take turns at the peer.
    retire: async () => {
      await running.stop()
      await direct.retire()
    },
    stop: async () => {
      await direct.stop()
      await running.stop()
    },
  }
}
