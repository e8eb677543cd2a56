// Clients on the hosts of the balancers themselves, for both families, whoever has the address.

import t, { type Test } from 'tap'
import type { DirectListener } from '../../../../balancer/datapath/direct/core/direct-table.ts'
import { waitFor } from '../../../lab/wait-for.ts'
import { type BalancerName, type Family, families, type HostName, openDirectLab, port } from './direct-lab.ts'
import { tableOf } from './sample-rules.ts'

t.setTimeout(600_000)

const lab = await openDirectLab()
const { peer, put, run, serverOn } = lab
t.teardown(() => lab.lab.destroy())
const balancers: readonly BalancerName[] = ['lb1', 'lb2']

const both = async (t: Test, test: (t: Test, family: Family) => Promise<void>): Promise<void> => {
  for (const family of families) await t.test(family.name, (t) => test(t, family))
}
/** A listener of one family, whose servers have addresses of it; the servers that take sessions. */
const listenerOf = (
  family: Family,
  balancer: BalancerName,
  targets: readonly HostName[],
  changes: Partial<DirectListener> = {},
): DirectListener =>
  lab.listener({
    name: `mysql:${family.name}`,
    binds: [{ address: family.virtual, port }],
    servers: (['db1', 'db2', balancer] as const).map((name) => ({
      ...serverOn(name, balancer),
      address: family.of(name),
    })),
    table: tableOf(targets),
    ...changes,
  })
const putAll = async (targets: readonly HostName[], changes: Partial<DirectListener> = {}): Promise<void> => {
  for (const balancer of balancers) {
    await put(
      balancer,
      families.map((family) => listenerOf(family, balancer, targets, changes)),
    )
  }
}
const seenAs = async (
  t: Test,
  balancer: BalancerName,
  family: Family,
  targets: readonly string[],
): Promise<Set<string>> => {
  const seen = new Set<string>()
  const servers = new Set<string>()
  for (let i = 0; i < 4; i += 1) {
    const attempt = await peer(balancer).connect(family.virtual, port)
    t.ok(await peer(balancer).say(attempt.session, 20_000), `${balancer} ${attempt.server}${attempt.error}`)
    servers.add(attempt.server)
    seen.add(attempt.seen)
    await peer(balancer).hangUp(attempt.session)
  }
  t.same([...servers].sort(), targets)
  return seen
}

t.test(
  'they come to all servers with their own address, where the virtual address is here and where it is not',
  async (t) => {
    await putAll(['db1', 'db2'])
    await both(t, async (t, family) => {
      for (const balancer of balancers) {
        t.same([...(await seenAs(t, balancer, family, ['db1', 'db2']))], [family.of(balancer)], balancer)
      }
    })
  },
)

t.test(
  'sessions of a host that had not the address stay when it comes, when it goes, and when servers change',
  async (t) => {
    await putAll(['db1', 'db2'])
    await both(t, async (t, family) => {
      const { session } = await peer('lb2').connect(family.virtual, port)
      const place = `${family.virtual}/${family.bits}`
      const options = family.name === 'ipv6' ? ['nodad', 'preferred_lft', '0'] : []
      await run('lb1', 'ip', 'address', 'del', place, 'dev', 'eth0')
      await run('lb2', 'ip', 'address', 'add', place, 'dev', 'eth0', ...options)
      await putAll(['db2'])
      t.ok(await peer('lb2').say(session))
      await run('lb2', 'ip', 'address', 'del', place, 'dev', 'eth0')
      await run('lb1', 'ip', 'address', 'add', place, 'dev', 'eth0', ...options)
      await putAll(['db1', 'db2'])
      await peer('lb2').hangUp(session)
    })
  },
)

t.test('where their own host is a server they are balanced like others, and find it by its own address', async (t) => {
  for (const { virtual, bits } of families) {
    for (const name of balancers) await run(name, 'ip', 'address', 'add', `${virtual}/${bits}`, 'dev', 'lo')
  }
  await both(t, async (t, family) => {
    for (const balancer of balancers) {
      await put(balancer, [listenerOf(family, balancer, ['db1', balancer])])
      await seenAs(t, balancer, family, ['db1', balancer])
    }
  })
  for (const { virtual, bits } of families) {
    for (const name of balancers) await run(name, 'ip', 'address', 'del', `${virtual}/${bits}`, 'dev', 'lo')
  }
})

t.test(
  'a server that refuses is not told: they ask again, and get another one; and they wait or are refused like others',
  async (t) => {
    await putAll(['db1', 'db2'])
    await peer('db1').endServing(port)
    await both(t, async (t, family) => {
      await seenAs(t, 'lb1', family, ['db2'])
      await putAll([], { admits: 'none' })
      t.equal((await peer('lb1').connect(family.virtual, port)).error, 'ECONNREFUSED')
      await putAll([], { admits: 'later' })
      const waiting = peer('lb1').connect(family.virtual, port)
      await waitFor('a client that waits', async () => /SYN-SENT/.test(await run('lb1', 'ss', '-Htan')))
      await putAll(['db2'])
      t.equal((await waiting).server, 'db2')
    })
  },
)
