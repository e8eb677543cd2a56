// What the rules do to packets: real frames between hosts of a lab, for both families through one listener.

import t, { type Test } from 'tap'
import { millis } from '../../../../balancer/core/time.ts'
import { endedBit } from '../../../../balancer/datapath/direct/core/flow-marks.ts'
import { flowsName } from '../../../../balancer/datapath/direct/core/names.ts'
import { waitFor } from '../../../lab/wait-for.ts'
import type { Attempt } from '../kernel/peer.ts'
import { type Family, families, type HostName, openDirectLab, port } from './direct-lab.ts'
import { tableOf } from './sample-rules.ts'

t.setTimeout(600_000)

const lab = await openDirectLab()
const { peer, put, packetsTo, turnedAway, run, serverOn } = lab
t.teardown(() => lab.lab.destroy())
const client = peer('client')
const everyServer = ['db1', 'db2', 'db3']

const both = async (t: Test, test: (t: Test, family: Family) => Promise<void>): Promise<void> => {
  for (const family of families) await t.test(family.name, (t) => test(t, family))
}
const open = (family: Family, fromPort?: number): Promise<Attempt> =>
  client.connect(family.virtual, port, undefined, fromPort)
const openMany = async (family: Family, count: number): Promise<readonly Attempt[]> => {
  const attempts: Attempt[] = []
  for (let i = 0; i < count; i += 1) attempts.push(await open(family))
  return attempts
}
const hangUp = async (attempts: readonly Attempt[]): Promise<void> => {
  for (const { session } of attempts) await client.reset(session)
}
const socketsOf = (name: HostName): Promise<string> => run(name, 'ss', '-Htan')
const flows = async (family: Family): Promise<string> =>
  run('lb1', 'nft', 'list', 'map', 'netdev', 'balancer', flowsName(family.virtual, port))

t.test('sessions go to all servers, which see the client and answer it themselves', async (t) => {
  await put('lb1', [lab.listener({ table: tableOf(everyServer) })])
  await both(t, async (t, family) => {
    const attempts = await openMany(family, 24)
    t.same([...new Set(attempts.map(({ server }) => server))].sort(), everyServer)
    t.ok(attempts.every(({ seen }) => seen === family.of('client')))
    for (const { session } of attempts) t.ok(await client.say(session, 100_000))
    await hangUp(attempts)
  })
})

t.test('the same table again is no change, and whoever comes next finds the servers in it', async (t) => {
  t.equal(await put('lb1', [lab.listener({ table: tableOf(everyServer) })]), '')
  const found = await lab.found('lb1')
  t.same(
    found.map(({ listener, server, number, address }) => [listener, server, number, address]),
    [
      ['mysql', 'db1', 11, '198.18.0.11'],
      ['mysql', 'db2', 12, '198.18.0.12'],
      ['mysql', 'db3', 13, '198.18.0.13'],
    ],
  )
  t.ok(found.every(({ takes }) => takes))
})

t.test('no change of the table moves a session, and new ones go by the new table', async (t) => {
  const all = { table: tableOf(everyServer) }
  await put('lb1', [lab.listener(all)])
  await both(t, async (t, family) => {
    const attempts = await openMany(family, 8)
    const changes = {
      'a server leaves': { table: tableOf(['db2']) },
      'and comes back': all,
      'another weight': {
        table: tableOf([], {
          targets: [
            { server: 'db1', weight: 1 },
            { server: 'db2', weight: 9 },
          ],
        }),
      },
      'nobody takes sessions': { table: tableOf([]), admits: 'later' as const },
      'other timeouts': { ...all, timeouts: { connect: millis(20_000), idle: millis(60_000) } },
      'somebody is denied': { ...all, access: { ...lab.listener().access, deny: ['198.18.7.0/24'] } },
      'another server': { ...all, servers: [...lab.listener().servers, serverOn('lb2')] },
      'one less': all,
      'another bind': { ...all, binds: [...lab.listener().binds, { address: '198.18.0.101', port }] },
    }
    for (const [what, change] of Object.entries(changes)) {
      const text = await put('lb1', [lab.listener(change)])
      t.notMatch(text, /delete map \S+ \S+ flows_/, what)
      for (const { session } of attempts) t.ok(await client.say(session), what)
    }
    await put('lb1', [lab.listener({ table: tableOf(['db2']) })])
    const later = await openMany(family, 4)
    t.same([...new Set(later.map(({ server }) => server))], ['db2'])
    await put('lb1', [lab.listener(all)])
    await hangUp([...attempts, ...later])
  })
})

t.test('the slots of a server that leaves are changed as elements, no chain is made anew', async (t) => {
  await put('lb1', [lab.listener({ table: tableOf(everyServer) })])
  const text = await put('lb1', [lab.listener({ table: tableOf(['db1', 'db2']) })])
  t.same(
    text
      .trim()
      .split('\n')
      .filter((line) => line.includes(' netdev '))
      .map((line) => line.split(' ').slice(0, 2).join(' ')),
    ['delete element', 'add element'],
  )
})

t.test('a SYN of a port that was used before begins a session by the table of now', async (t) => {
  await both(t, async (t, family) => {
    const other: Record<string, string> = { db1: 'db2', db2: 'db1' }
    await put('lb1', [lab.listener()])
    const before = await open(family, 40_000)
    await put('lb1', [lab.listener({ table: tableOf([other[before.server] ?? '']) })])
    t.ok(await client.say(before.session), 'while it lasts it stays')
    await client.reset(before.session)
    const after = await open(family, 40_000)
    t.equal(after.server, other[before.server])
    t.ok(await client.say(after.session))
    await client.reset(after.session)
  })
})

t.test(
  'a session is remembered for the time of an idle one once its client has spoken, and for a minute after FIN',
  async (t) => {
    await put('lb1', [lab.listener()])
    await both(t, async (t, family) => {
      const { session } = await open(family, 40_001)
      await client.say(session)
      t.match(
        await flows(family),
        family.name === 'ipv4' ? /198\.18\.0\.200 \. 40001 .*expires (8h|7h59m)/ : /expires (8h|7h59m)/,
      )
      await client.hangUp(session)
      await waitFor('the mark of a session that closes', async () =>
        /expires [0-5]?\ds\S* : 0x0000800/.test(await flows(family)),
      )
    })
  },
)

t.test(
  'sessions that were ended are reset when their client speaks, and a reset of the client still passes',
  async (t) => {
    await both(t, async (t, family) => {
      await put('lb1', [lab.listener({ table: tableOf(['db1']) })])
      const { session } = await open(family, 40_002)
      t.ok(await client.say(session))
      const map = flowsName(family.virtual, port)
      const [, key = ''] =
        /(\S+ \. \S+) timeout \S+ expires (?:8h|7h59m\S*) : 0x0000000b/.exec(await flows(family)) ?? []
      const mark = `0x${(endedBit | 11).toString(16)}`
      const place = `element netdev balancer ${map}`
      const ended = `delete ${place} { ${key} }; add ${place} { ${key} timeout 60s : ${mark} }`
      const before = await turnedAway('ended')
      await run('lb1', 'nft', ended)
      t.notOk(await client.say(session), 'the client is reset')
      t.ok((await turnedAway('ended')) > before)
      const passed = await packetsTo('db1')
      t.match(await socketsOf('db1'), /ESTAB.*:40002/)
      // A last word of the server: its client's kernel knows no such session any more.
      await peer('db1').endServing(port)
      await waitFor('the reset of the client', async () => (await packetsTo('db1')) > passed)
      await waitFor('the end of the session there', async () => !/:40002/.test(await socketsOf('db1')))
      await peer('db1').serve(port)
      const again = await open(family, 40_002)
      t.ok(await client.say(again.session), 'the same port begins a session')
      await client.reset(again.session)
    })
  },
)

t.test(
  'where nobody takes sessions a SYN is not answered, and comes through when somebody does; or it is refused',
  async (t) => {
    await both(t, async (t, family) => {
      await put('lb1', [lab.listener({ table: tableOf([]), admits: 'later' })])
      const before = await turnedAway('held')
      const waiting = open(family)
      await waitFor('a SYN that is not answered', async () => (await turnedAway('held')) > before)
      await put('lb1', [lab.listener({ table: tableOf(['db3']) })])
      const { server, session } = await waiting
      t.equal(server, 'db3')
      await put('lb1', [lab.listener({ table: tableOf([]), admits: 'none' })])
      t.equal((await open(family)).error, 'ECONNREFUSED')
      t.ok(await client.say(session), 'who has a session keeps it')
      await client.reset(session)
    })
  },
)

t.test('a full map loses no packet', async (t) => {
  await put('lb1', [])
  await put('lb1', [lab.listener()], { mostSessions: 2 })
  await both(t, async (t, family) => {
    const attempts = await openMany(family, 10)
    for (const { session } of attempts) t.ok(await client.say(session, 10_000))
    t.ok(((await flows(family)).match(/expires/g) ?? []).length <= 2)
    await hangUp(attempts)
  })
  await put('lb1', [])
})

t.test('who may not come in, or comes too often, is refused; sessions are not concerned', async (t) => {
  await both(t, async (t, family) => {
    await put('lb1', [lab.listener()])
    const { session } = await open(family)
    const access = lab.listener().access
    const refused = async (changes: Partial<typeof access>): Promise<string> => {
      await put('lb1', [lab.listener({ access: { ...access, ...changes } })])
      return (await open(family)).error
    }
    const [own, other] = family.name === 'ipv4' ? ['198.18.0.0/24', '198.18.7.0/24'] : ['fd00::/64', 'fd07::/64']
    t.equal(await refused({ deny: [own] }), 'ECONNREFUSED')
    t.equal(await refused({ allow: [other] }), 'ECONNREFUSED')
    t.equal(await refused({ allow: [own, other] }), '')
    t.equal(await refused({ allow: [family.name === 'ipv4' ? 'fd00::/64' : '198.18.0.0/24'] }), 'ECONNREFUSED')
    for (const limit of ['connectionRate', 'connectionRatePerSource'] as const) {
      t.equal(await refused({ [limit]: 1000 }), '')
      await put('lb1', [lab.listener({ access: { ...access, [limit]: 2 } })])
      const attempts = await openMany(family, 8)
      t.ok(
        attempts.some(({ error }) => error === 'ECONNREFUSED'),
        limit,
      )
      t.ok(
        attempts.some(({ error }) => error === ''),
        limit,
      )
      await hangUp(attempts)
    }
    t.ok(await client.say(session))
    await client.reset(session)
  })
})

t.test('what somebody changes in the rules is put back, and sessions that come and go are no change', async (t) => {
  await put('lb1', [lab.listener()])
  await lab.keep([lab.listener()])
  const [family] = families
  if (family === undefined) throw new Error('no family')
  const { session } = await open(family)
  await run(
    'lb1',
    'nft',
    `add element netdev balancer ${flowsName(family.virtual, port)} { 198.18.7.7 . 7 timeout 1h : 0xb }`,
  )
  // Without them a packet is for the host's own kernel, which resets it.
  const areInForce = async (): Promise<boolean> => {
    const chain = await peer('lb1').host.run('nft', ['list', 'chain', 'netdev', 'balancer', 'ingress/eth0'])
    return chain.stdout.includes('@binds4')
  }
  const damage = {
    'flush chain netdev balancer ingress/eth0': 1,
    'delete element netdev balancer slots/mysql { 7 }': 2,
    'add set netdev balancer his { type mark; }': 3,
    'delete chain netdev balancer ingress/eth0': 4,
  }
  for (const [command, repairs] of Object.entries(damage)) {
    await run('lb1', 'nft', command)
    await waitFor(`${command}: put back`, async () => (await lab.repairs()) === repairs)
    await waitFor('the rules', areInForce)
    t.ok(await client.say(session), command)
  }
  t.match(await flows(family), /198\.18\.7\.7/, 'what is remembered is kept')
  t.equal(await put('lb1', [lab.listener()]), '')
  await run('lb1', 'nft', 'delete table netdev balancer')
  await waitFor('all of it', async () => (await lab.repairs()) === 5)
  await waitFor('the rules', areInForce)
  t.ok(await client.say(session), 'the hash finds its server')
  await client.reset(session)
})
