// The other balancers, as `balancer show peers` prints them.

import type { Status } from '../model/status.ts'
import { columns } from './show.ts'
import { countsText, duration } from './text.ts'

type PeersStatus = Status['peers']

/** A table of the other balancers, and under it what is not as it should be. */
export const describePeers = (peers: PeersStatus): string => {
  if (peers === null) return 'no listener has datapath: direct: there is nothing to tell other balancers'
  const rows = peers.peers.map((peer) => [
    peer.name ?? '-',
    peer.address,
    peer.connected ? 'connected' : 'NOT CONNECTED',
    duration(peer.since.ago_ms),
    `${peer.told}`,
    `${peer.taken}`,
  ])
  const table = rows.length === 0 ? [] : [columns(['PEER', 'ADDRESS', 'STATE', 'SINCE', 'TOLD', 'TAKEN'], rows)]
  const lines = peerLines(peers)
  return [...table, ...(lines.length === 0 || table.length === 0 ? lines : ['', ...lines])].join('\n')
}

/** What is to be said of them, a line each. */
export const peerLines = (status: NonNullable<PeersStatus>): readonly string[] => {
  const { listen, trouble, peers, refused, fail_over_cost: cost } = status
  return [
    ...(listen === null ? ['no other balancer is configured (peers)'] : []),
    ...(trouble === null ? [] : [trouble]),
    ...peers.flatMap(({ name, address, why, warnings, malformed }) => {
      const who = name ?? address
      return [
        ...(why === null ? [] : [`${who}: ${why}`]),
        ...warnings.map((text) => `${who}: ${text}`),
        ...(Object.keys(malformed).length === 0 ? [] : [`${who}: not understood: ${countsText(malformed)}`]),
      ]
    }),
    ...(Object.keys(refused).length === 0 ? [] : [`connections not taken: ${countsText(refused)}`]),
    ...(cost === null ? [] : [cost]),
  ]
}
