// Direct listeners for tests, with what a test does not care about filled in.

import { millis } from '../../../../balancer/core/time.ts'
import type {
  DirectHost,
  DirectListener,
  DirectServer,
} from '../../../../balancer/datapath/direct/core/direct-table.ts'
import { type SlotTable, slotTable } from '../../../../balancer/pool/core/slot-table.ts'

/** A server on the link of eth0 whose last byte of addresses this is. */
export const server = (
  name: string,
  number: number,
  last: number,
  changes: Partial<DirectServer> = {},
): DirectServer => ({
  name,
  number,
  address: `198.18.0.${last}`,
  port: 3366,
  path: { kind: 'link', device: 'eth0', mac: `02:00:00:00:00:${last.toString(16).padStart(2, '0')}` },
  ...changes,
})

const servers = [server('db1', 1, 11), server('db2', 2, 12)]

/** The table of a listener of these servers, all with the same share. */
export const tableOf = (targets: readonly string[], changes: Partial<SlotTable> = {}): SlotTable => ({
  ...slotTable(
    'mysql',
    'session',
    ['db1', 'db2', 'db3'],
    targets.map((name) => ({ server: name, weight: 1 })),
  ),
  ...changes,
})

/** A listener with two servers behind one address. */
export const listener = (changes: Partial<DirectListener> = {}): DirectListener => ({
  name: 'mysql',
  binds: [{ address: '198.18.0.100', port: 3366 }],
  servers,
  table: tableOf(['db1', 'db2']),
  admits: 'all',
  access: { allow: [], deny: [], connectionRate: 0, connectionRatePerSource: 0 },
  timeouts: { connect: millis(5000), idle: millis(28_800_000) },
  ...changes,
})

/** A host with one device and another balancer beside it. */
export const host: DirectHost = {
  devices: [{ name: 'eth0', mac: '02:00:00:00:00:02' }],
  balancers: ['02:00:00:00:00:03'],
}
