// Real TCP through the rules: clients and stand-in servers on hosts of a lab, both families.

import t from 'tap'
import type { KernelListener } from '../../../../balancer/datapath/kernel/core/kernel-listener.ts'
import { kernelTable } from '../../../../balancer/datapath/kernel/core/kernel-table.ts'
import { type RefusalReason, refusalCounter } from '../../../../balancer/datapath/kernel/core/names.ts'
import { changeText } from '../../../../balancer/datapath/rules/core/change.ts'
import { tableText } from '../../../../balancer/datapath/rules/core/table.ts'
import { createLab } from '../../../lab/lab.ts'
import { waitFor } from '../../../lab/wait-for.ts'
import { applyText, listTable } from './nft-host.ts'
import { type Attempt, type Peer, startPeer } from './peer.ts'
import { listener, rules, target } from './sample-rules.ts'

t.setTimeout(240_000)

const port = 3366
const families = {
  ipv4: { virtual: '198.18.0.100', other: '198.18.0.101', address: (n: number) => `198.18.0.${n}`, prefix: 24 },
  ipv6: { virtual: 'fd00::100', other: 'fd00::101', address: (n: number) => `fd00::${n}`, prefix: 64 },
}
type Family = (typeof families)[keyof typeof families]

const lab = await createLab({ name: 'rules' })
t.teardown(() => lab.destroy())

const hostNumbers = { lb1: 2, lb2: 3, db1: 11, db2: 12, db3: 13, client: 200 }
const peers = new Map<string, Peer>()
for (const [name, number] of Object.entries(hostNumbers)) {
  const host = await lab.addHost(name, `198.18.0.${number}/24`)
  await host.run('ip', ['address', 'add', `fd00::${number}/64`, 'dev', 'eth0', 'nodad'])
  peers.set(name, startPeer(host))
}
const peer = (name: keyof typeof hostNumbers): Peer => peers.get(name) as Peer
const lb1 = peer('lb1').host
for (const { host } of [peer('lb1'), peer('lb2')]) {
  await host.run('sysctl', [
    '-qw',
    'net.ipv4.conf.eth0.forwarding=1',
    'net.ipv6.conf.eth0.forwarding=1',
    'net.ipv6.conf.all.forwarding=1',
  ])
}
for (const { virtual, prefix } of Object.values(families)) {
  await lb1.run('ip', ['address', 'add', `${virtual}/${prefix}`, 'dev', 'eth0', 'nodad'])
}
for (const name of ['db1', 'db2', 'db3', 'lb1', 'lb2'] as const) await peer(name).serve(3306)

const serversOf = (family: Family, names: readonly (keyof typeof hostNumbers)[]) =>
  names.map((name) => ({ name, address: family.address(hostNumbers[name]), port: 3306 }))

/** The listener of a family with three servers. */
const sample = (family: Family, changes: Partial<KernelListener> = {}): KernelListener =>
  listener({
    binds: [{ address: family.virtual, port }],
    servers: serversOf(family, ['db1', 'db2', 'db3']),
    targets: [target('db1'), target('db2'), target('db3')],
    ...changes,
  })

/** Puts exactly these listeners into force, by a change where a table is there. */
const put = async (...listeners: readonly KernelListener[]): Promise<void> => {
  const table = kernelTable(rules(listeners))
  const there = await lb1.run('nft', ['list', 'table', 'inet', 'balancer'])
  await applyText(lb1, there.code === 0 ? changeText((await listTable(lb1)).snapshot, table) : tableText(table))
}

const refusals = async (reason: RefusalReason): Promise<number> =>
  (await listTable(lb1)).counters.get(refusalCounter(reason, 'mysql'))?.packets ?? -1

const sharesOf = (attempts: readonly Attempt[]): Record<string, number> => {
  const shares: Record<string, number> = {}
  for (const { server, error } of attempts) shares[server || error] = (shares[server || error] ?? 0) + 1
  return shares
}

const client = peer('client')

for (const [name, family] of Object.entries(families)) {
  t.test(`${name}: servers take turns by their weights and see the virtual address`, async (t) => {
    await put(sample(family, { targets: [target('db1', 3), target('db2', 2), target('db3', 1)] }))
    const attempts = await client.connectOften(12, family.virtual, port)
    t.same(sharesOf(attempts), { db1: 6, db2: 4, db3: 2 })
    t.ok(attempts.every(({ seen }) => seen === family.virtual))
  })

  t.test(`${name}: no target is a reset at once, and counted`, async (t) => {
    await put(sample(family, { targets: [] }))
    const before = await refusals('no-server')
    t.same(sharesOf(await client.connectOften(3, family.virtual, port)), { ECONNREFUSED: 3 })
    t.equal((await refusals('no-server')) - before, 3)
  })

  t.test(`${name}: source keeps a client with its server`, async (t) => {
    await put(sample(family, { balance: 'source' }))
    t.equal(Object.keys(sharesOf(await client.connectOften(6, family.virtual, port))).length, 1)
  })

  t.test(`${name}: denied clients are reset, allowed ones are not`, async (t) => {
    const access = { ...listener().access, deny: [family.address(hostNumbers.client)] }
    await put(sample(family, { access }))
    t.same(sharesOf(await client.connectOften(2, family.virtual, port)), { ECONNREFUSED: 2 })
    t.equal((await peer('db1').connect(family.virtual, port)).error, '')
    await put(sample(family, { access: { ...listener().access, allow: [family.address(hostNumbers.client)] } }))
    t.equal((await client.connect(family.virtual, port)).error, '')
    t.equal((await peer('db1').connect(family.virtual, port)).error, 'ECONNREFUSED')
  })

  t.test(`${name}: beyond a listener's max_connections clients are reset`, async (t) => {
    await put(sample(family, { maximumSessions: 0 }))
    await put(sample(family, { maximumSessions: 4 }))
    const held = await Promise.all(Array.from({ length: 4 }, () => client.connect(family.virtual, port)))
    t.same(
      held.map(({ error }) => error),
      ['', '', '', ''],
    )
    t.same(sharesOf(await client.connectOften(3, family.virtual, port)), { ECONNREFUSED: 3 })
    await client.hangUp(held[0]?.session ?? 0)
    await waitFor('room where a session ended', async () => (await client.connect(family.virtual, port)).error === '')
  })

  t.test(`${name}: clients on every host, the balancers and the servers included`, async (t) => {
    await put(sample(family))
    for (const from of ['lb1', 'lb2', 'db1', 'db2', 'client'] as const) {
      const attempts = await peer(from).connectOften(3, family.virtual, port)
      t.same(sharesOf(attempts), { db1: 1, db2: 1, db3: 1 }, `from ${from}`)
      t.ok(
        attempts.every(({ seen }) => seen === family.virtual),
        `from ${from} as the virtual address`,
      )
    }
  })

  t.test(`${name}: a server on the balancer itself`, async (t) => {
    await put(sample(family, { servers: serversOf(family, ['lb1', 'lb2']), targets: [target('lb1'), target('lb2')] }))
    for (const from of ['lb1', 'lb2', 'db1', 'client'] as const) {
      const attempts = await peer(from).connectOften(4, family.virtual, port)
      t.same(sharesOf(attempts), { lb1: 2, lb2: 2 }, `from ${from}`)
      t.ok(
        attempts.every(({ seen }) => seen === family.virtual),
        `from ${from} as the virtual address`,
      )
    }
  })

  t.test(`${name}: a refused SYN is asked again and reaches a server that lives, from every host`, async (t) => {
    await put(
      sample(family, {
        servers: serversOf(family, ['db1', 'lb1', 'db3']),
        targets: [target('db1'), target('lb1'), target('db3')],
      }),
    )
    await peer('db1').endServing(3306)
    await peer('lb1').endServing(3306)
    for (const from of ['lb1', 'client'] as const) {
      const attempts = await Promise.all(Array.from({ length: 3 }, () => peer(from).connect(family.virtual, port)))
      t.same(sharesOf(attempts), { db3: 3 }, `from ${from}`)
    }
    const refused = (await listTable(lb1)).elementCounters.get('refused')
    t.ok([...(refused ?? [])].reduce((all, [, { packets }]) => all + packets, 0) >= 2, 'refused connects are counted')
    await peer('db1').serve(3306)
    await peer('lb1').serve(3306)
  })

  t.test(`${name}: sessions outlive every change of the rules`, async (t) => {
    await put(sample(family))
    const held = await Promise.all(Array.from({ length: 6 }, () => client.connect(family.virtual, port)))
    await put(
      sample(family, {
        targets: [target('db3')],
        timeouts: { connect: listener().timeouts.connect, idle: listener().timeouts.connect },
      }),
    )
    await put(
      sample(family, {
        targets: [],
        maximumSessions: 1,
        access: { ...listener().access, deny: [family.address(200)] },
      }),
    )
    await put()
    for (const { session } of held) t.equal(await client.say(session), true)
  })
}
