// Real TCP through the rules: clients and stand-in servers on hosts of a lab, both families.

import t from 'tap'
import { millis } from '../../../../balancer/core/time.ts'
import { type Counts, lossesBetween, pathCounter } from '../../../../balancer/datapath/kernel/core/path-witness.ts'
import { ipv4, ipv6 } from '../../../../balancer/datapath/rules/core/ip-version.ts'
import { waitFor } from '../../../lab/wait-for.ts'
import { listTable } from './nft-host.ts'
import { families, type HostName, listenerOn, openRulesLab, port, sharesOf } from './rules-lab.ts'
import { listener, target } from './sample-rules.ts'

t.setTimeout(600_000)

const { lab, peer, put, putWatched, refusals, moveAddresses, entries } = await openRulesLab()
t.teardown(() => lab.destroy())

const client = peer('client')
const everyone = listener().access

const pathCounts = async (): Promise<Counts> =>
  new Map([...(await listTable(peer('lb1').host)).counters].map(([counter, { packets }]) => [counter, packets]))

/** As the kernel lists an address. */
const longForm = (address: string): string => address.replace('::', ':0000:0000:0000:0000:0000:0000:0')

for (const family of families) {
  const { name, virtual } = family
  const databases: readonly HostName[] = ['db1', 'db2', 'db3']

  t.test(`${name}: servers take turns by their weights and see the virtual address`, async (t) => {
    await put('lb1', listenerOn(family, databases, { targets: [target('db1', 3), target('db2', 2), target('db3', 1)] }))
    const attempts = await client.connectOften(12, virtual, port)
    t.same(sharesOf(attempts), { db1: 6, db2: 4, db3: 2 })
    t.ok(attempts.every(({ seen }) => seen === virtual))
  })

  t.test(`${name}: no target is a reset at once, and counted`, async (t) => {
    await put('lb1', listenerOn(family, databases, { targets: [] }))
    const before = await refusals('no-server')
    t.same(sharesOf(await client.connectOften(3, virtual, port)), { ECONNREFUSED: 3 })
    t.equal((await refusals('no-server')) - before, 3)
  })

  t.test(`${name}: source keeps a client with its server, random and first find one`, async (t) => {
    await put('lb1', listenerOn(family, databases, { balance: 'source' }))
    t.equal(Object.keys(sharesOf(await client.connectOften(6, virtual, port))).length, 1)
    await put('lb1', listenerOn(family, databases, { balance: 'random' }))
    t.notOk('ECONNREFUSED' in sharesOf(await client.connectOften(6, virtual, port)))
    await put('lb1', listenerOn(family, databases, { balance: 'first' }))
    t.same(sharesOf(await client.connectOften(4, virtual, port)), { db1: 4 })
  })

  t.test(`${name}: denied clients are reset, allowed ones are not`, async (t) => {
    await put('lb1', listenerOn(family, databases, { access: { ...everyone, deny: [family.of('client')] } }))
    t.same(sharesOf(await client.connectOften(2, virtual, port)), { ECONNREFUSED: 2 })
    t.equal((await peer('db1').connect(virtual, port)).error, '')
    await put('lb1', listenerOn(family, databases, { access: { ...everyone, allow: [family.of('client')] } }))
    t.equal((await client.connect(virtual, port)).error, '')
    t.equal((await peer('db1').connect(virtual, port)).error, 'ECONNREFUSED')
  })

  t.test(`${name}: who connects faster than allowed is reset, others are not`, async (t) => {
    await put('lb1', listenerOn(family, databases, { access: { ...everyone, connectionRatePerSource: 2 } }))
    const attempts = await Promise.all(Array.from({ length: 20 }, () => client.connect(virtual, port)))
    t.ok((sharesOf(attempts)['ECONNREFUSED'] ?? 0) > 0)
    t.ok((await refusals('source-rate')) > 0)
    t.equal((await peer('db1').connect(virtual, port)).error, '')
    await put('lb1', listenerOn(family, databases, { access: { ...everyone, connectionRate: 2 } }))
    const others = await Promise.all(Array.from({ length: 20 }, () => client.connect(virtual, port)))
    t.ok((sharesOf(others)['ECONNREFUSED'] ?? 0) > 0)
    t.ok((await refusals('rate')) > 0)
  })

  t.test(`${name}: beyond a listener's max_connections clients are reset`, async (t) => {
    await put('lb1', listenerOn(family))
    await put('lb1', listenerOn(family, databases, { maximumSessions: 4 }))
    const held = await Promise.all(Array.from({ length: 4 }, () => client.connect(virtual, port)))
    t.same(sharesOf(held)['ECONNREFUSED'], undefined)
    t.same(sharesOf(await client.connectOften(3, virtual, port)), { ECONNREFUSED: 3 })
    await client.hangUp(held[0]?.session ?? 0)
    await waitFor('room where a session ended', async () => (await client.connect(virtual, port)).error === '')
  })

  t.test(`${name}: a server's max_connections is never passed, however many come at once`, async (t) => {
    const targets = [target('db1', 1, { maximumSessions: 2 }), target('db2')]
    await put('lb1', listenerOn(family, databases, { targets }))
    const waiting = Array.from({ length: 8 }, () => client.connect(virtual, port))
    const attempts = await Promise.all(waiting)
    t.same(sharesOf(attempts), { db1: 2, db2: 4, ECONNREFUSED: 2 })
    t.equal(await refusals('server-full'), 2)
    await put('lb1', listenerOn(family, databases, { targets: targets.map((one) => ({ ...one, isFull: true })) }))
    t.equal((await client.connect(virtual, port)).error, 'ECONNREFUSED', 'all are full')
  })

  t.test(
    `${name}: clients on every host, the balancers and the servers included, and nothing seems lost`,
    async (t) => {
      const hosts: readonly HostName[] = ['lb1', 'db1', 'db2']
      await putWatched('lb1', listenerOn(family, hosts))
      const before = await pathCounts()
      for (const from of ['lb1', 'lb2', 'db1', 'db2', 'client'] as const) {
        const attempts = await peer(from).connectOften(3, virtual, port)
        t.same(sharesOf(attempts), { lb1: 1, db1: 1, db2: 1 }, `from ${from}`)
        t.ok(
          attempts.every(({ seen }) => seen === virtual),
          `from ${from} as the virtual address`,
        )
      }
      const now = await pathCounts()
      t.same(lossesBetween(before, now), [])
      const grown = (direction: 'request' | 'answer', place: 'arrived' | 'left'): number => {
        const counter = pathCounter(direction, name === 'ipv4' ? ipv4 : ipv6, place)
        return (now.get(counter) ?? 0) - (before.get(counter) ?? 0)
      }
      t.equal(grown('request', 'arrived'), 15)
      t.equal(grown('request', 'left'), 15)
      t.ok(grown('answer', 'arrived') >= 12, 'answers to other hosts than this one')
      t.ok(grown('answer', 'left') >= grown('answer', 'arrived'))
    },
  )

  t.test(`${name}: a bind to every address serves all of them, and leaves other services alone`, async (t) => {
    const any = name === 'ipv4' ? '0.0.0.0' : '::'
    await put('lb1', listenerOn(family, databases, { binds: [{ address: any, port }] }))
    // Something else here listens on the same port: it is not asked.
    await peer('lb1').serve(port)
    for (const address of [virtual, family.of('lb1')]) {
      const [attempt] = await client.connectOften(1, address, port)
      t.match(attempt, { server: /^db/, seen: address })
    }
    await peer('lb1').endServing(port)
    t.match(await client.connect(family.of('lb1'), 3306), { server: 'lb1', seen: family.of('client') })
    t.match(await peer('lb1').connect(family.of('db1'), 3306), { server: 'db1' })
  })

  t.test(`${name}: sessions have the mark, the timeouts and the counter of their server`, async (t) => {
    const timeouts = { connect: millis(2000), idle: millis(1_234_000) }
    await put('lb1')
    await put('lb1', listenerOn(family, ['db1'], { timeouts }))
    const { session } = await client.connect(virtual, port)
    await client.say(session)
    const { elementCounters } = await listTable(peer('lb1').host)
    const [[mark, opened] = ['', undefined]] = elementCounters.get(name === 'ipv4' ? 'servers4' : 'servers6') ?? []
    // Until the client has acknowledged the answer conntrack counts down from its own 300 s.
    await waitFor('one session to have this timeout', async () => {
      const own = (await entries('lb1')).filter(
        (line) => line.includes('ESTABLISHED') && line.includes(`mark=${Number(mark)} `),
      )
      const left = own.map((line) => Number(/tcp +6 (\d+) /.exec(line)?.[1]))
      return left.filter((seconds) => seconds > 1100 && seconds <= 1234).length === 1
    })
    t.equal(opened?.packets, 1)
  })

  t.test(`${name}: a refused SYN is asked again and reaches a server that lives, from every host`, async (t) => {
    const alive = target('db3', 4)
    await put('lb1', listenerOn(family, ['db1', 'lb1', 'db3'], { targets: [target('db1'), target('lb1'), alive] }))
    await peer('db1').endServing(3306)
    await peer('lb1').endServing(3306)
    const clients = (['lb1', 'lb1', 'lb1', 'client', 'client', 'client'] as const).map(peer)
    t.same(sharesOf(await Promise.all(clients.map(({ connect }) => connect(virtual, port)))), { db3: 6 })
    const refused = [...((await listTable(peer('lb1').host)).elementCounters.get('refused')?.values() ?? [])]
    t.ok(refused.reduce((all, { packets }) => all + packets, 0) >= 2, 'refused connects are counted')
    await peer('db1').serve(3306)
    await peer('lb1').serve(3306)
  })

  t.test(`${name}: sessions outlive every change of the rules`, async (t) => {
    await put('lb1', listenerOn(family))
    const held = await Promise.all(Array.from({ length: 6 }, () => client.connect(virtual, port)))
    await put(
      'lb1',
      listenerOn(family, databases, {
        targets: [target('db3')],
        timeouts: { connect: millis(1), idle: millis(60_000) },
      }),
    )
    const access = { ...everyone, deny: [family.of('client')] }
    await put('lb1', listenerOn(family, ['db1'], { targets: [], maximumSessions: 1, access }))
    await put('lb1')
    for (const { session } of held) t.equal(await client.say(session), true)
    const left = (await entries('lb1'))
      .filter((line) => line.includes('ESTABLISHED') && line.includes(` dst=${longForm(virtual)} `))
      .map((line) => Number(/tcp +6 (\d+) /.exec(line)?.[1]))
    t.ok(
      left.length >= held.length && left.every((seconds) => seconds <= 28_800),
      `none has lost its timeouts: ${left}`,
    )
  })

  t.test(
    `${name}: balancers that are the servers: every host is served, before and after the address moves`,
    async (t) => {
      // With more than a few addresses their rules are others.
      const more = Array.from({ length: 5 }, (_, i) => ({ address: `${virtual.slice(0, -3)}15${i}`, port }))
      const binds = [{ address: virtual, port }, ...(name === 'ipv6' ? more : [])]
      const both = listenerOn(family, ['lb1', 'lb2'], { binds })
      await put('lb1', both)
      await put('lb2', both)
      const held = await Promise.all(Array.from({ length: 4 }, () => client.connect(virtual, port)))
      t.notOk(
        (await entries('lb2')).some((line) => line.includes(`=${longForm(virtual)} `) && line.includes('3306')),
        'the other balancer tracks nothing of the address',
      )
      for (const [from, to] of [
        ['lb1', 'lb2'],
        ['lb2', 'lb1'],
      ] as const) {
        for (const host of ['lb1', 'lb2', 'db1', 'client'] as const) {
          const attempts = await peer(host).connectOften(4, virtual, port)
          t.same(sharesOf(attempts), { lb1: 2, lb2: 2 }, `from ${host}, the address on ${from}`)
          t.ok(
            attempts.every(({ seen }) => seen === virtual),
            `from ${host} as the virtual address`,
          )
        }
        await moveAddresses(from, to)
      }
      for (const { session } of held)
        t.equal(await client.say(session), true, 'a session is there again with the address')
      await put('lb2')
    },
  )
}

t.test('a server host without power: its clients are not told, and the next server has them', async (t) => {
  const timeouts = { connect: millis(1000), idle: millis(60_000) }
  const to = (server: HostName) =>
    families.map((family) =>
      listenerOn(family, ['db1', 'db3'], { name: family.name, targets: [target(server)], timeouts }),
    )
  await put('lb1', ...to('db3'))
  await peer('db3').host.cutLink()
  const attempts = families.map(({ virtual }) => client.connect(virtual, port))
  await waitFor('the kernel to give up on the host', async () => {
    const refused = (await listTable(peer('lb1').host)).elementCounters.get('refused') ?? new Map()
    return [...refused.values()].filter(({ packets }) => packets > 0).length === families.length
  })
  await put('lb1', ...to('db1'))
  t.same(sharesOf(await Promise.all(attempts)), { db1: 2 })
  await peer('db3').host.restoreLink()
})

t.test('right after a take-over packets of sessions that are not known yet are not reset', async (t) => {
  const lb2 = peer('lb2').host
  const listeners = families.map((family) => listenerOn(family, ['db1'], { name: family.name }))
  await put('lb1', ...listeners)
  await put('lb2', ...listeners)
  for (const [i, { virtual }] of families.entries()) {
    // What conntrack takes for a session under way, and what it calls invalid.
    await lb2.run('sysctl', ['-qw', `net.netfilter.nf_conntrack_tcp_loose=${i}`])
    await lb2.run('nft', [
      'add',
      'element',
      'inet',
      'balancer',
      i === 0 ? 'settling4' : 'settling6',
      `{ ${virtual} timeout 1h }`,
    ])
    const { session } = await client.connect(virtual, port)
    const dropped = async (): Promise<number> => (await listTable(lb2)).counters.get('settling')?.packets ?? 0
    const before = await dropped()
    await moveAddresses('lb1', 'lb2')
    const said = client.say(session)
    await waitFor('a packet to be dropped', async () => (await dropped()) > before)
    await moveAddresses('lb2', 'lb1')
    t.equal(await said, true)
  }
})
