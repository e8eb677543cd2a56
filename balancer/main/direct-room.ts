// The direct datapath with the other balancers: what those tell of sessions comes to the rules, and the other way round.

import type { BalancerConfig } from '../config/schema.ts'
import type { DatapathOptions, RunningDatapath } from '../datapath/datapath.ts'
import { type DirectOptions, type RunningDirect, startDirect } from '../datapath/direct/direct.ts'
import { startPeers } from '../peers/peers.ts'
import type { PeersFact } from '../pool/core/facts.ts'

/** What it needs beside: the configuration as it is then. */
export type DirectRoomOptions = DatapathOptions &
  Omit<DirectOptions, 'others'> & {
    readonly config: () => BalancerConfig
    readonly publishPeers: (fact: PeersFact) => void
  }

/** It, and the connections to the others, which follow the configuration. */
export type DirectRoom = RunningDatapath & { readonly reconfigurePeers: () => readonly string[] }

/** Starts both. Throws `FailedStart`. */
export const startDirectRoom = async (options: DirectRoomOptions): Promise<DirectRoom> => {
  const { config, log, publishPeers } = options
  let direct: RunningDirect | undefined
  const peers = startPeers({
    config: config().peers,
    routerId: config().router_id,
    log,
    publish: publishPeers,
    onTables: (_, tables) => direct?.othersChanged(tables === null),
    onTold: (peer, exceptions) => direct?.told(peer, exceptions) ?? [],
    find: (session) => direct?.find(session) ?? null,
    onGone: (peer, sessions) => direct?.gone(peer, sessions),
  })
  try {
    direct = await startDirect({
      ...options,
      others: {
        addresses: () => config().peers?.to.map(({ address }) => address) ?? [],
        setOwn: peers.setOwn,
        connected: peers.connected,
        isComplete: () => {
          const { peers: all } = peers.state()
          return all.length > 0 && all.every(({ connected }) => connected)
        },
        setExceptions: peers.setExceptions,
        setExposed: peers.setExposed,
        synced: peers.synced,
      },
    })
  } catch (error) {
    await peers.stop()
    throw error
  }
  const running = direct
  return {
    ...running,
    reconfigurePeers: () => peers.reconfigure(config().peers, config().router_id),
    // Two programs of an upgrade would take turns at the peer.
    retire: async () => {
      await peers.stop()
      await running.retire()
    },
    stop: async () => {
      await running.stop()
      await peers.stop()
    },
  }
}
