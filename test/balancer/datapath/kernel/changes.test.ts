// Transactions against the real nft: whatever the changes were, what is there then is what a fresh start makes.

import fc from 'fast-check'
import t from 'tap'
import { millis } from '../../../../balancer/core/time.ts'
import { numberingOf, timeoutsOf } from '../../../../balancer/datapath/kernel/core/adoption.ts'
import type { KernelListener } from '../../../../balancer/datapath/kernel/core/kernel-listener.ts'
import { kernelOwnTable, kernelTable } from '../../../../balancer/datapath/kernel/core/kernel-table.ts'
import { changeText } from '../../../../balancer/datapath/rules/core/change.ts'
import { readCounters } from '../../../../balancer/datapath/rules/core/listing.ts'
import { isOurs } from '../../../../balancer/datapath/rules/core/ownership.ts'
import { snapshotOf } from '../../../../balancer/datapath/rules/core/snapshot.ts'
import { tableText } from '../../../../balancer/datapath/rules/core/table.ts'
import { applyText, listTable, nftHost } from './nft-host.ts'
import { listener, rules, target } from './sample-rules.ts'

t.setTimeout(600_000)

const runs = 12
const longest = 5

const ipv4 = {
  bind: ['0.0.0.0', ...Array.from({ length: 6 }, (_, i) => `198.18.6.17${i}`)],
  server: ['198.18.6.11', '198.18.6.12', '198.18.6.13', '198.18.6.14'],
  prefixes: ['10.0.0.0/8', '10.0.0.0/9', '10.128.0.0/9', '11.0.0.0/8', '198.18.6.11', '198.18.6.12', '198.18.6.13'],
}
const ipv6 = {
  bind: ['::', ...Array.from({ length: 6 }, (_, i) => `2001:db8::17${i}`)],
  server: ['2001:db8::11', '2001:db8::12', '2001:db8::13', '2001:db8::14'],
  prefixes: ['2001:db8::/33', '2001:db8:8000::/33', '2001:db8::11', '2001:db8::12', 'fd00::/8'],
}

/** A listener of this name, on a port of its own. */
const anyListener = (name: string, port: number): fc.Arbitrary<KernelListener> =>
  fc.constantFrom(ipv4, ipv6).chain((family) =>
    fc
      .record({
        binds: fc.uniqueArray(fc.constantFrom(...family.bind), { minLength: 1 }),
        balance: fc.constantFrom('roundrobin', 'leastconn', 'source', 'first', 'random', 'single'),
        servers: fc.uniqueArray(fc.constantFrom(...family.server), { minLength: 1 }),
        weights: fc.array(fc.oneof(fc.integer({ min: 0, max: 256 }), fc.constant(0.37)), {
          minLength: 4,
          maxLength: 4,
        }),
        maximumSessions: fc.constantFrom(0, 0, 10, 51200),
        limit: fc.constantFrom(0, 0, 5, 7),
        isFull: fc.boolean(),
        allow: fc.uniqueArray(fc.constantFrom(...family.prefixes)),
        deny: fc.uniqueArray(fc.constantFrom(...family.prefixes)),
        connectionRate: fc.constantFrom(0, 0, 100),
        connectionRatePerSource: fc.constantFrom(0, 0, 20),
        idle: fc.constantFrom(60_000, 28_800_000),
      })
      .map(
        ({ servers, weights, limit, isFull, binds, allow, deny, connectionRate, connectionRatePerSource, ...rest }) =>
          listener({
            name,
            binds: binds.map((address) => ({ address, port })),
            balance: rest.balance as KernelListener['balance'],
            servers: servers.map((address) => ({ name: `db-${address.slice(-2)}`, address, port: 3306 })),
            targets: servers.flatMap((address, i) => {
              const weight = weights[i] ?? 0
              const more = { maximumSessions: i === 0 ? limit : 0, isFull: i === 1 && isFull }
              return weight === 0 ? [] : [target(`db-${address.slice(-2)}`, weight, more)]
            }),
            maximumSessions: rest.maximumSessions,
            access: { allow, deny, connectionRate, connectionRatePerSource },
            timeouts: { connect: millis(5000), idle: millis(rest.idle) },
          }),
      ),
  )

const anyListeners = fc
  .record(
    { mysql: anyListener('mysql', 3366), 'read:er.1': anyListener('read:er.1', 3367), b: anyListener('b', 3368) },
    { requiredKeys: [] },
  )
  .map((all) => Object.values(all).filter((one) => one !== undefined))

t.test('any changes end where a fresh start begins, and what nft lists is what was meant', async (t) => {
  const host = await nftHost(t)
  await fc.assert(
    fc.asyncProperty(fc.array(anyListeners, { minLength: 2, maxLength: longest }), async (steps) => {
      await host.run('nft', ['flush', 'ruleset'])
      let table = kernelTable(rules(steps[0] ?? []))
      await applyText(host, tableText(table))
      for (const step of steps.slice(1)) {
        const there = await listTable(host)
        // Every second time as after a restart, from what is listed alone.
        const numbering = numberingOf(there)
        const next = kernelTable(rules(step, numbering, timeoutsOf(there)))
        t.same(changeText(there.snapshot, next), changeText(snapshotOf(table), next), 'listed as it was meant')
        await applyText(host, changeText(snapshotOf(table), next))
        t.equal(changeText(snapshotOf(next), next), '', 'nothing is left to do')
        table = next
      }
      const changed = await listTable(host)
      t.ok(isOurs(changed, kernelOwnTable))
      t.same(changed.snapshot.strangers, [])
      await host.run('nft', ['flush', 'ruleset'])
      await applyText(host, tableText(table))
      t.same(changed.snapshot, (await listTable(host)).snapshot, 'the same as a fresh start')
      const text = await host.run('nft', ['list', 'ruleset'])
      t.equal(text.code, 0, 'an operator can list it')
    }),
    { numRuns: runs },
  )
})

t.test('what somebody changes in our table is seen and put back; what he puts beside it is named', async (t) => {
  const host = await nftHost(t)
  const table = kernelTable(rules([listener()]))
  await applyText(host, tableText(table))
  for (const command of [
    'flush chain inet balancer nat-postrouting',
    'insert rule inet balancer watch-prerouting drop',
    'add rule inet balancer pick/mysql accept comment "mine"',
    'delete element inet balancer slots/mysql { 1 }',
    'add element inet balancer ports { 22 }',
    'flush set inet balancer refused',
    'add chain inet balancer more { type filter hook forward priority 5; policy drop; }',
    'add chain inet balancer watch-output { policy drop; }',
  ]) {
    await applyText(host, `${command}\n`)
    const repair = changeText((await listTable(host)).snapshot, table)
    t.not(repair, '', command)
    await applyText(host, repair)
    t.equal(changeText((await listTable(host)).snapshot, table), '', `${command}: put back`)
  }
  await applyText(host, 'table ip balancer { counter his { }\n}\ntable inet other { counter his { }\n}\n')
  const all = JSON.parse((await host.run('nft', ['-j', '-t', 'list', 'ruleset'])).stdout)
  t.same(
    [...(readCounters(all, kernelOwnTable)?.keys() ?? [])].sort(),
    [...table.counters].sort(),
    'our counters alone',
  )
  t.equal(readCounters(all, { ...kernelOwnTable, family: 'netdev' }), null)
  await applyText(host, 'add quota inet balancer his { over 10 mbytes }\n')
  t.same((await listTable(host)).snapshot.strangers, ['quota his'])
  await applyText(host, 'flush ruleset\ntable inet balancer { chain input { type filter hook input priority 0; }\n}\n')
  t.notOk(isOurs(await listTable(host), kernelOwnTable))
})
