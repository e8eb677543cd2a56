// Entries of connection tracking for tests of the session table.

import type { TrackedEntry } from '../../../../../balancer/datapath/kernel/core/sessions.ts'

/** An entry as it is when a SYN has passed; `client` tells its flow. */
export const entryOf = (client: number, changes: Partial<TrackedEntry> = {}): TrackedEntry => ({
  change: 'new',
  family: 'ipv4',
  id: client * 7919,
  mark: 0xb1004001,
  hasReply: false,
  tcpState: 'syn-sent',
  remaining: 120,
  startedAt: null,
  bytes: null,
  original: Buffer.from(`client ${client}`),
  ...changes,
})

/** What happens to it later. */
export const updateOf = (client: number, tcpState: string, changes: Partial<TrackedEntry> = {}): TrackedEntry =>
  entryOf(client, { change: 'update', hasReply: true, tcpState, ...changes })
export const destroyOf = (client: number, tcpState: string, changes: Partial<TrackedEntry> = {}): TrackedEntry =>
  entryOf(client, { change: 'destroy', hasReply: true, tcpState, remaining: null, ...changes })
