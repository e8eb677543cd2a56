// The other balancers, as `balancer show peers` prints them.

import type { Status } from '../model/status.ts'
import { type Block, columnsOf, linesBlock, plain, plainText } from './table.ts'
import { countsText, duration } from './text.ts'

type PeersStatus = Status['peers']

/** See `peersBlocks`, as text. */
export const describePeers = (peers: PeersStatus): string => plainText(peersBlocks(peers))

/** A table of the other balancers, and under it what is not as it should be. */
export const peersBlocks = (peers: PeersStatus): readonly Block[] => {
  if (peers === null) return linesBlock(['no listener has datapath: direct: there is nothing to tell other balancers'])
  const rows = peers.peers.map((peer) => [
    plain(peer.name ?? '-'),
    plain(peer.address),
    {
      text: peer.connected ? 'connected' : 'NOT CONNECTED',
      tone: peer.connected ? ('up' as const) : ('down' as const),
      mark: `peer ${peer.address} ${peer.connected}`,
    },
    plain(duration(peer.since.ago_ms)),
    plain(peer.holds.join(' ') || '-'),
    plain(`${peer.told}`),
    plain(`${peer.taken}`),
  ])
  const columns = columnsOf('PEER', 'ADDRESS', 'STATE', 'SINCE', 'HOLDS', 'TOLD', 'TAKEN')
  return [...(rows.length === 0 ? [] : [{ columns, rows }]), ...linesBlock(peerLines(peers))]
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
