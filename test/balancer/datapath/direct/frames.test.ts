// Frames that come to a balancer by other ways than the usual one: from a client with an old address, from another balancer, from
// a router.

import t, { type Test } from 'tap'
import { mustRun } from '../../../lab/command.ts'
import type { Attempt } from '../kernel/peer.ts'
import { type BalancerName, type Family, families, openDirectLab, port } from './direct-lab.ts'
import { tableOf } from './sample-rules.ts'

t.setTimeout(600_000)

const lab = await openDirectLab()
const { peer, put, packetsTo, run, macOf, serverOn } = lab
t.teardown(() => lab.lab.destroy())
const client = peer('client')
const everyServer = ['db1', 'db2', 'db3']
const rules = lab.listener({ table: tableOf(everyServer) })

const both = async (t: Test, test: (t: Test, family: Family) => Promise<void>): Promise<void> => {
  for (const family of families) await t.test(family.name, (t) => test(t, family))
}
const open = (family: Family, from?: string): Promise<Attempt> => client.connect(family.virtual, port, from)
const openMany = async (family: Family, count: number, from?: string): Promise<readonly Attempt[]> => {
  const attempts: Attempt[] = []
  for (let i = 0; i < count; i += 1) attempts.push(await open(family, from))
  return attempts
}
const hangUp = async (attempts: readonly Attempt[]): Promise<void> => {
  for (const { session } of attempts) await client.reset(session)
}
/** The client takes this host for the one that has the address, while a test runs. */
const mistaking = async (family: Family, host: 'lb2' | 'db1', test: () => Promise<void>): Promise<void> => {
  await run('client', 'ip', 'neighbour', 'replace', family.virtual, 'lladdr', macOf(host), 'dev', 'eth0')
  await test()
  await run('client', 'ip', 'neighbour', 'del', family.virtual, 'dev', 'eth0')
}

t.test(
  'a balancer that has not the address forwards what comes to it, and remembers sessions that begin elsewhere',
  async (t) => {
    for (const balancer of ['lb1', 'lb2'] as const) await put(balancer, [rules])
    await both(t, async (t, family) => {
      const attempts = await openMany(family, 8)
      await mistaking(family, 'lb2', async () => {
        for (const { session } of attempts) t.ok(await client.say(session), 'it computes the same server')
        await put('lb2', [lab.listener({ table: tableOf(['db1']) })])
        for (const { session } of attempts) t.ok(await client.say(session), 'and remembers it')
      })
      await put('lb2', [rules])
      await hangUp(attempts)
    })
  },
)

t.test('sessions of a balancer that died go by its last table, whatever the table is now', async (t) => {
  await put('lb1', [rules])
  await put('lb2', [lab.listener({ table: tableOf(['db1']), established: tableOf(everyServer) })])
  await both(t, async (t, family) => {
    const attempts = await openMany(family, 8)
    await mistaking(family, 'lb2', async () => {
      for (const { session } of attempts) t.ok(await client.say(session))
      const fresh = await openMany(family, 4)
      t.same([...new Set(fresh.map(({ server }) => server))], ['db1'], 'new ones go by the new one')
      await hangUp([...attempts, ...fresh])
    })
  })
  await put('lb2', [])
})

t.test('frames of others are not forwarded, though a sniffer has the interface take them', async (t) => {
  await put('lb1', [lab.listener({ table: tableOf(['db2']) })])
  const setAgeing = (centiseconds: string): Promise<string> =>
    mustRun('ip', [
      '-n',
      `mlab-${lab.lab.id}-switch`,
      'link',
      'set',
      'br0',
      'type',
      'bridge',
      'ageing_time',
      centiseconds,
    ])
  // The switch remembers nobody: it sends all frames to all.
  await setAgeing('0')
  await run('lb1', 'ip', 'link', 'set', 'eth0', 'promisc', 'on')
  await both(t, async (t, family) => {
    const before = await packetsTo('db2')
    await mistaking(family, 'db1', async () => {
      const { server, session } = await open(family)
      t.equal(server, 'db1', 'addressed to that server')
      t.ok(await client.say(session, 10_000))
      await client.reset(session)
    })
    t.equal(await packetsTo('db2'), before)
  })
  await run('lb1', 'ip', 'link', 'set', 'eth0', 'promisc', 'off')
  await setAgeing('30000')
})

t.test(
  'balancers that are servers take what another one forwards to them, though tables differ: no frame circles',
  async (t) => {
    for (const { virtual, bits } of families)
      await run('lb2', 'ip', 'address', 'add', `${virtual}/${bits}`, 'dev', 'lo')
    const takenBy = (balancer: BalancerName, target: BalancerName) =>
      put(balancer, [
        lab.listener({ servers: [serverOn('lb1', balancer), serverOn('lb2', balancer)], table: tableOf([target]) }),
      ])
    await takenBy('lb2', 'lb1')
    await both(t, async (t, family) => {
      await takenBy('lb1', 'lb2')
      const before = await packetsTo('lb2')
      const { server, session } = await open(family)
      t.equal(server, 'lb2')
      t.ok(await client.say(session))
      await client.reset(session)
      const forwarded = (await packetsTo('lb2')) - before
      t.ok(forwarded >= 3 && forwarded < 20, `${forwarded} frames of the client`)
      t.equal(await packetsTo('lb1', 'lb2'), 0, 'none came back')
      await takenBy('lb1', 'lb1')
      const own = await open(family)
      t.equal(own.server, 'lb1', 'the server here')
      t.ok(await client.say(own.session, 10_000))
      await client.reset(own.session)
    })
    for (const { virtual, bits } of families)
      await run('lb2', 'ip', 'address', 'del', `${virtual}/${bits}`, 'dev', 'lo')
    await put('lb2', [])
  },
)

/** A client behind a router, lb2, whose link to it takes small packets. */
const far = { ipv4: '198.18.7.9', ipv6: 'fd07::9' }

t.test(
  'a server hears that its packets are too large for a router, which tells the address that all have',
  async (t) => {
    await put('lb1', [rules])
    const forwarding = ['net.ipv4.conf.all.forwarding=1', 'net.ipv6.conf.all.forwarding=1']
    const silent = ['net.ipv4.conf.all.send_redirects=0', 'net.ipv4.conf.eth0.send_redirects=0']
    await run('lb2', 'sysctl', '-qw', ...forwarding, ...silent)
    await both(t, async (t, family) => {
      const address = far[family.name]
      const place = `${address}/${family.bits}`
      await run('client', 'ip', 'address', 'add', place, 'dev', 'lo')
      for (const name of ['db1', 'db2', 'db3'] as const) {
        await run(name, 'ip', 'route', 'add', place, 'via', family.of('lb2'))
      }
      await run('lb2', 'ip', 'route', 'add', place, 'via', family.of('client'), 'mtu', 'lock', '1300')
      const attempts = await openMany(family, 9, address)
      t.ok(new Set(attempts.map(({ server }) => server)).size > 1)
      for (const { session, seen } of attempts) {
        t.equal(seen, address)
        t.ok(await client.say(session, 50_000))
      }
      await hangUp(attempts)
    })
  },
)

t.test('fragments reach the server of their session', async (t) => {
  await put('lb1', [lab.listener({ table: tableOf(['db1', 'db2']) })])
  const [family] = families
  if (family === undefined) throw new Error('no family')
  // Without path MTU discovery the router may cut packets.
  await run('client', 'sysctl', '-qw', 'net.ipv4.ip_no_pmtu_disc=1')
  await run('client', 'ip', 'route', 'add', `${family.virtual}/32`, 'via', family.of('lb2'))
  await run('lb2', 'ip', 'route', 'add', `${family.virtual}/32`, 'dev', 'eth0', 'mtu', 'lock', '800')
  const attempts = await openMany(family, 4)
  for (const { session } of attempts) t.ok(await client.say(session, 20_000))
  const reassembled = await Promise.all(
    (['db1', 'db2'] as const).map((name) => run(name, 'nstat', '-asz', 'IpReasmOKs')),
  )
  t.match(reassembled.join(), /IpReasmOKs +[1-9]/)
  await hangUp(attempts)
})
