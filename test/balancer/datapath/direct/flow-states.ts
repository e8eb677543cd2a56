// The rules of one listener with two servers for a host whose clients are on the other end of a veth pair, and what tests of them
// share.

import { millis } from '../../../../balancer/core/time.ts'
import { directTable } from '../../../../balancer/datapath/direct/core/direct-table.ts'
import { tableText } from '../../../../balancer/datapath/rules/core/table.ts'
import { slotTable } from '../../../../balancer/pool/core/slot-table.ts'

export const binds = {
  ipv4: { address: '198.18.0.100', port: 3306 },
  ipv6: { address: 'fd00::100', port: 3306 },
} as const
export const timeouts = { connect: millis(10_000), idle: millis(8 * 3_600_000) }

const names = ['db1', 'db2']
export const slots = slotTable(
  'mysql',
  'session',
  names,
  names.map((server) => ({ server, weight: 1 })),
)

/** The rules for what comes in on an interface with the MAC address 02:00:00:00:00:02. */
export const rulesFor = (device: string): string =>
  tableText(
    directTable(
      [
        {
          name: 'mysql',
          binds: Object.values(binds),
          servers: names.map((name, i) => ({
            name,
            number: i + 1,
            address: `198.18.0.1${i}`,
            port: 3306,
            path: { kind: 'link', device, mac: `02:00:00:00:01:0${i}` },
          })),
          table: slots,
          admits: 'all',
          access: { allow: [], deny: [], connectionRate: 0, connectionRatePerSource: 0 },
          timeouts,
        },
      ],
      { devices: [{ name: device, mac: '02:00:00:00:00:02' }], balancers: [] },
    ),
  )
