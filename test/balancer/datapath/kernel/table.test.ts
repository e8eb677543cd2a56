// The text of the rules: golden files, and what a change touches. UPDATE_GOLDEN=1 writes them anew, to be read before a commit.

import { readFileSync, writeFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import type { KernelListener } from '../../../../balancer/datapath/kernel/core/kernel-listener.ts'
import { kernelOwnTable, kernelTable } from '../../../../balancer/datapath/kernel/core/kernel-table.ts'
import { changeText } from '../../../../balancer/datapath/rules/core/change.ts'
import { readListing } from '../../../../balancer/datapath/rules/core/listing.ts'
import { isOurs } from '../../../../balancer/datapath/rules/core/ownership.ts'
import { snapshotOf } from '../../../../balancer/datapath/rules/core/snapshot.ts'
import { type Table, tableText } from '../../../../balancer/datapath/rules/core/table.ts'
import { listener, rules, target } from './sample-rules.ts'

const golden = (t: Test, name: string, text: string): void => {
  const file = new URL(`../../../../../test/balancer/datapath/kernel/golden/${name}.nft`, import.meta.url)
  if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(file, text)
  t.equal(text, readFileSync(file, 'utf8'))
}

const tableOf = (...listeners: readonly KernelListener[]): Table => kernelTable(rules(listeners))
const between = (before: Table, after: Table): string => changeText(snapshotOf(before), after)

const everything = listener({
  name: 'mysql:write',
  binds: [
    { address: '2001:db8::173', port: 3366 },
    { address: '::', port: 3367 },
  ],
  balance: 'source',
  servers: ['db1', 'db2', 'db3'].map((name, i) => ({ name, address: `2001:db8::1${i}`, port: 3306 })),
  targets: [target('db1', 1, { maximumSessions: 100 })],
  maximumSessions: 400,
  access: { allow: ['2001:db8::/32'], deny: ['2001:db8::66'], connectionRate: 500, connectionRatePerSource: 20 },
})

t.test('golden: one listener, and one of the other family with all that there is', async (t) => {
  golden(t, 'two-listeners', tableText(tableOf(listener(), everything)))
})

t.test('golden: no listener', async (t) => golden(t, 'no-listener', tableText(tableOf())))

t.test('golden: changes, each of them small', async (t) => {
  const three = [...listener().servers, { name: 'db3', address: '198.18.6.13', port: 3306 }]
  const changed = (changes: Partial<KernelListener>): string =>
    between(
      tableOf(listener({ servers: three }), everything),
      tableOf(listener({ servers: three, ...changes }), everything),
    )
  golden(
    t,
    'changes',
    [
      ['db2 is down', changed({ targets: [target('db1')] })],
      ['db1 has twice the weight', changed({ targets: [target('db1', 2), target('db2')] })],
      ['db2 may have ten sessions', changed({ targets: [target('db1'), target('db2', 1, { maximumSessions: 10 })] })],
      ['nobody is left', changed({ targets: [] })],
      ['all sessions are taken', changed({ isFull: true })],
      ['somebody is denied', changed({ access: { ...listener().access, deny: ['198.18.6.66'] } })],
      ['another address too', changed({ binds: [...listener().binds, { address: '198.18.6.174', port: 3366 }] })],
      [
        'db2 moved',
        changed({ servers: three.map((one) => (one.name === 'db2' ? { ...one, address: '198.18.6.22' } : one)) }),
      ],
    ]
      .map(([title, text]) => `# ${title}\n${text}`)
      .join('\n'),
  )
})

t.test('the same rules are the same text', async (t) => {
  t.equal(tableText(tableOf(listener(), everything)), tableText(tableOf(listener(), everything)))
  t.equal(between(tableOf(listener(), everything), tableOf(listener(), everything)), '')
})

t.test('a server that goes or comes among 1,000 touches elements of one map alone', async (t) => {
  const names = Array.from({ length: 1000 }, (_, i) => `db${i}`)
  const servers = names.map((name, i) => ({ name, address: `198.19.${i >> 8}.${i & 255}`, port: 3306 }))
  const with1000 = (targets: readonly string[]): Table =>
    tableOf(listener({ servers, targets: targets.map((name) => target(name)) }))
  const change = between(with1000(names), with1000(names.filter((name) => name !== 'db500')))
  const commands = change.trim().split('\n')
  t.same(
    commands.map((line) => line.split(' ').slice(0, 5).join(' ')),
    ['delete element inet balancer slots/mysql', 'add element inet balancer slots/mysql'],
  )
  t.ok(change.length < 10_000, `${change.length} characters`)
})

t.test('only what may move, and is served, is looked at before connection tracking', async (t) => {
  const raw = (virtualAddresses: readonly string[], ...listeners: readonly KernelListener[]): readonly string[] =>
    kernelTable({ ...rules(listeners), virtualAddresses }).chains.find(({ name }) => name === 'raw-prerouting')
      ?.rules ?? []
  const four = '198.18.6.173'
  const six = '2001:db8::173'
  const rulesOf = (protocol: string, address: string): readonly string[] => [
    `${protocol} daddr ${address} goto arriving`,
    `${protocol} saddr ${address} fib saddr type != local goto untracked`,
  ]
  t.same(raw([], listener()), [], 'nothing moves')
  t.same(raw([four, six]), [], 'nothing is served')
  t.same(raw([four, six, '198.18.6.99'], listener()), rulesOf('ip', four), 'what another program serves is not ours')
  t.same(
    raw([six], listener({ binds: [{ address: '::', port: 3366 }] })),
    rulesOf('ip6', six),
    'a bind to every address',
  )
  const five = Array.from({ length: 5 }, (_, i) => `198.18.6.17${i}`)
  const binds = five.map((address) => ({ address, port: 3366 }))
  t.same(raw(five, listener({ binds })), rulesOf('ip', '@addresses4'), 'many have a set')
  const sets = kernelTable({ ...rules([listener({ binds })]), virtualAddresses: five }).sets
  t.same([...(sets.find(({ name }) => name === 'addresses4')?.elements?.keys() ?? [])], five)
})

t.test('slots are laid out anew only for the listener that changed', async (t) => {
  const slots = (...listeners: readonly KernelListener[]) =>
    new Map(tableOf(...listeners).sets.map(({ name, elements }) => [name, elements]))
  const other = listener({ name: 'other', binds: [{ address: '198.18.6.173', port: 3367 }] })
  const before = slots(listener(), other)
  const after = slots(listener({ targets: [target('db1', 2), target('db2')] }), other)
  t.equal(after.get('slots/other'), before.get('slots/other'))
  t.not(after.get('slots/mysql'), before.get('slots/mysql'))
  t.equal(after.get('slots/mysql')?.size, 3)
  const renumbered = kernelTable({
    ...rules([other]),
    numbering: new Map([
      ['other/db1', 0xb1000001],
      ['other/db2', 0xb1000002],
    ]),
  })
  const { elements } = renumbered.sets.find(({ name }) => name === 'slots/other') ?? {}
  t.same(
    [...(elements?.values() ?? [])].map(({ value }) => value),
    ['0xb1000001', '0xb1000002'],
    'of other marks',
  )
})

t.test("a table of our name that is not ours is told apart from another version's", async (t) => {
  const listed = (set: object | null) =>
    readListing({ nftables: [{ metainfo: {} }, { table: { name: 'balancer' } }, ...(set === null ? [] : [{ set }])] })
  const ownership = (set: object | null): string => {
    const listing = listed(set)
    if (listing === null) return 'unreadable'
    return isOurs(listing, kernelOwnTable) ? 'ours' : 'foreign'
  }
  t.equal(ownership(null), 'foreign')
  t.equal(ownership({ name: 'mysql-balancer', type: 'mark', elem: [1] }), 'ours')
  t.equal(ownership({ name: 'mysql-balancer', type: 'mark', elem: [2] }), 'ours', 'of another version')
  t.equal(readListing({ nftables: 'no' }), null)
  t.equal(readListing({ nftables: [{ counter: { name: 1 } }] }), null)
  t.equal(readListing('text'), null)
})
