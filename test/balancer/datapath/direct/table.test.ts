// The text of the direct rules: golden files, and what a change touches. UPDATE_GOLDEN=1 writes them anew, to be read before a commit.

import { readFileSync, writeFileSync } from 'node:fs'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { millis } from '../../../../balancer/core/time.ts'
import {
  type DirectHost,
  type DirectListener,
  directOwnTable,
  directTable,
} from '../../../../balancer/datapath/direct/core/direct-table.ts'
import { foundServers } from '../../../../balancer/datapath/direct/core/found-servers.ts'
import { flowsName, isFilledByTraffic } from '../../../../balancer/datapath/direct/core/names.ts'
import { changeText } from '../../../../balancer/datapath/rules/core/change.ts'
import { isOurs } from '../../../../balancer/datapath/rules/core/ownership.ts'
import { snapshotOf } from '../../../../balancer/datapath/rules/core/snapshot.ts'
import { tableText } from '../../../../balancer/datapath/rules/core/table.ts'
import { host, listener, server, tableOf } from './sample-rules.ts'

const golden = (t: Test, name: string, text: string): void => {
  const file = new URL(`../../../../../test/balancer/datapath/direct/golden/${name}.nft`, import.meta.url)
  if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(file, text)
  t.equal(text, readFileSync(file, 'utf8'))
}

/** Few slots, so that a table can be read. */
const small = (...targets: readonly string[]) => tableOf(targets, { slotCount: 8 })
const simple = listener({ table: small('db1', 'db2') })
const everything = listener({
  name: 'mysql:write',
  binds: [
    { address: '198.18.0.101', port: 3367 },
    { address: '2001:db8::101', port: 3367 },
  ],
  servers: [
    server('db1', 17, 11, { path: { kind: 'here' } }),
    server('db2', 18, 12, { path: { kind: 'link', device: 'eth1.7', mac: '02:00:00:00:00:0C' } }),
    server('db3', 19, 13, { address: '2001:db8::13', path: null }),
  ],
  table: tableOf(['db1'], { slotCount: 8, hash: 'source', listener: 'mysql:write', seed: 0xffffffff }),
  established: tableOf(['db1', 'db2'], { slotCount: 8, hash: 'source', listener: 'mysql:write', seed: 0xffffffff }),
  admits: 'none',
  access: { allow: ['198.18.0.0/15'], deny: ['198.18.0.66'], connectionRate: 500, connectionRatePerSource: 20 },
  timeouts: { connect: millis(20_000), idle: millis(3_600_500) },
})
const twoDevices: DirectHost = { ...host, devices: [...host.devices, { name: 'eth1.7', mac: '02:00:00:00:01:02' }] }

const between = (before: DirectListener, after: DirectListener, hostAfter = host): string =>
  changeText(snapshotOf(directTable([before], host)), directTable([after], hostAfter))

t.test('golden: a listener, and one with all that there is', async (t) => {
  golden(t, 'one-listener', tableText(directTable([simple], host)))
  golden(t, 'everything', tableText(directTable([everything], twoDevices)))
  golden(t, 'no-listener', tableText(directTable([], host)))
})

t.test('golden: changes, each of them small', async (t) => {
  const moved = server('db2', 2, 12, { path: { kind: 'link', device: 'eth0', mac: '02:00:00:00:00:ff' } })
  const changes: readonly (readonly [string, string])[] = [
    ['db2 takes no sessions', between(simple, { ...simple, table: small('db1') })],
    ['db2 has another MAC address', between(simple, { ...simple, servers: [server('db1', 1, 11), moved] })],
    ['db3 is configured', between(simple, { ...simple, servers: [...simple.servers, server('db3', 3, 13)] })],
    ['nobody takes sessions', between(simple, { ...simple, table: small(), admits: 'later' })],
    [
      'they are refused',
      between({ ...simple, table: small(), admits: 'later' }, { ...simple, table: small(), admits: 'none' }),
    ],
    ['another idle timeout', between(simple, { ...simple, timeouts: { ...simple.timeouts, idle: millis(60_000) } })],
    ['a device more', between(simple, simple, twoDevices)],
  ]
  golden(t, 'changes', changes.map(([what, text]) => `# ${what}\n${text}\n`).join(''))
  t.equal(between(simple, simple), '', 'nothing to do')
})

const names = ['db1', 'db2', 'db3', 'db4']
const anyListener: fc.Arbitrary<DirectListener> = fc
  .record({
    targets: fc.subarray(names),
    servers: fc.shuffledSubarray(names, { minLength: 1 }),
    admits: fc.constantFrom('all' as const, 'later' as const, 'none' as const),
    binds: fc.subarray(['198.18.0.100', '198.18.0.101', 'fd00::100'], { minLength: 1 }),
    deny: fc.subarray(['198.18.0.66', 'fd00::66']),
    idle: fc.constantFrom(60_000, 28_800_000),
    hash: fc.constantFrom('session' as const, 'source' as const),
    isHere: fc.boolean(),
    isMacKnown: fc.boolean(),
  })
  .map(({ targets, servers, admits, binds, deny, idle, hash, isHere, isMacKnown }) =>
    listener({
      binds: binds.map((address) => ({ address, port: 3366 })),
      servers: servers.map((name, i) => {
        const number = names.indexOf(name) + 1
        const path = isHere ? ({ kind: 'here' } as const) : null
        return server(name, number, 10 + number, i === 0 && (isHere || !isMacKnown) ? { path } : {})
      }),
      table: tableOf(targets, { slotCount: 64, hash }),
      admits,
      access: { allow: [], deny, connectionRate: 0, connectionRatePerSource: 0 },
      timeouts: { connect: millis(5000), idle: millis(idle) },
    }),
  )

t.test('whatever changes, the sessions of a bind that stays are kept', async (t) => {
  fc.assert(
    fc.property(anyListener, anyListener, (before, after) => {
      const text = between(before, after)
      for (const { address, port } of before.binds) {
        const isGone = !after.binds.some((bind) => bind.address === address)
        t.equal(text.includes(`delete map netdev balancer ${flowsName(address, port)}\n`), isGone)
      }
      t.notMatch(text, /delete table|flush (map|set|table)/)
    }),
    { numRuns: 60 },
  )
})

t.test('another table of slots changes elements, and nothing else', async (t) => {
  fc.assert(
    fc.property(anyListener, fc.subarray(names), (before, targets) => {
      const text = between(before, { ...before, table: tableOf(targets, { slotCount: 64, hash: before.table.hash }) })
      t.ok(
        text
          .split('\n')
          .every((line) => line === '' || /^(add|delete) element netdev balancer slots\/mysql /.test(line)),
      )
    }),
    { numRuns: 60 },
  )
})

t.test('what is in force tells the next process whose number is which', async (t) => {
  const snapshot = snapshotOf(directTable([simple, everything], twoDevices))
  const listing = { snapshot, counters: new Map(), elementCounters: new Map() }
  t.ok(isOurs(listing, directOwnTable))
  t.same(
    foundServers(listing).map((one) => [one.listener, one.server, one.number, one.address, one.port]),
    [
      ['mysql', 'db1', 1, '198.18.0.11', 3366],
      ['mysql', 'db2', 2, '198.18.0.12', 3366],
      ['mysql:write', 'db1', 17, '198.18.0.11', 3366],
      ['mysql:write', 'db2', 18, '198.18.0.12', 3366],
      ['mysql:write', 'db3', 19, '2001:db8::13', 3366],
    ],
  )
  t.same(
    foundServers(listing).map(({ takes }) => takes),
    [true, true, true, false, false],
  )
  t.ok(isFilledByTraffic(flowsName('198.18.0.100', 3366)) && isFilledByTraffic('prefixes6'))
  t.notOk(isFilledByTraffic('slots/mysql'))
})
