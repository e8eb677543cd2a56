// Two balancer hosts and a database host are upgraded one after the other while clients work, whose sessions a proxy forwards, or
// the kernel to a server that answers for the virtual address itself.

import t from 'tap'
import { startProbe } from '../lab/gap-probe.ts'
import { createLab } from '../lab/lab.ts'
import { waitFor } from '../lab/wait-for.ts'
import { application, bootSite, prepareLoad, sessionsOf, startLoad, virtualAddress, watchAddress } from './pair.ts'
import { debians, fileOf, installedVersion, type Machine, openToClients, versionOf, waitForUnit } from './system.ts'

t.setTimeout(900_000)

const edit = '# ours: edited at night'
const sessions = 8

const prepares = 'mysqlchk-agent-direct-return.service'
/** Rules are the same kernel's on every system. */
const runs = [
  ...debians.map((system) => ({ system, isDirect: false })),
  ...debians.slice(-1).map((system) => ({ system, isDirect: true })),
]

for (const { system, isDirect } of runs) {
  await t.test(`${system.title}${isDirect ? ', datapath: direct' : ''}`, async (t) => {
    const lab = await createLab({ name: 'packages-upgrade' })
    t.teardown(() => lab.destroy())
    const { lb1, lb2, db1, client } = await bootSite(lab, system)
    const setUp = async (machine: Machine, peer: Machine, priority: number): Promise<void> => {
      await machine.apt('install', fileOf('mysql-balancer', 'previous'))
      const own = `--virtual-router-id 51 --peer ${peer.host.address} --router-id ${machine.host.name} --priority ${priority}`
      const all = `--interface eth0 --address ${virtualAddress}/24:3306 --servers db1=${db1.host.address}`
      await machine.shell(`balancer setup --yes ${all} ${own} && echo '${edit}' >>/etc/balancer/balancer.yaml`)
      if (isDirect)
        await machine.shell("sed -i 's/# datapath: direct .*/datapath: direct/' /etc/balancer/balancer.yaml")
      await machine.shell('systemctl enable --now balancer')
    }
    await openToClients(db1)
    await db1.apt('install', fileOf('mysqlchk-agent', 'previous'))
    await db1.shell('mysqlchk-agent setup-user --apply')
    if (isDirect) {
      await db1.apt('install', 'nftables')
      // These cannot be written from inside a container.
      await db1.host.run('sysctl', ['-qw', 'net.ipv4.conf.eth0.arp_ignore=1', 'net.ipv4.conf.eth0.arp_announce=2'])
      const keys = `direct_return: [{ address: ${virtualAddress}, port: 3306 }]`
      await db1.shell(`echo '${keys}' >>/etc/mysqlchk-agent/agent.yaml && systemctl reload mysqlchk-agent`)
      await db1.shell(`systemctl enable --now ${prepares}`)
      await waitForUnit(db1, prepares, { ActiveState: 'active', SubState: 'running' })
    }
    await setUp(lb1, lb2, 101)
    const holds = async (machine: Machine) => (await machine.host.addresses()).includes(`${virtualAddress}/24`)
    await waitFor('lb1 to hold the address', () => holds(lb1))
    await setUp(lb2, lb1, 100)
    await waitFor('the server to be up', async () => /\bUP\b/.test(await lb1.shell('balancer show servers')))
    await waitFor('the server to be up on lb2', async () => /\bUP\b/.test(await lb2.shell('balancer show servers')))

    await prepareLoad(client)
    const load = await startLoad(client, sessions)
    const before = await sessionsOf(db1)
    t.equal(before.length, sessions)
    const { user, password } = application
    const probe = await startProbe(client, {
      target: { address: virtualAddress, port: 3306 },
      user,
      password,
      interval: 50,
      sessions: 4,
    })
    const begun = probe.mark()
    const changes = [await watchAddress(lb1.host), await watchAddress(lb2.host)]
    const changesOnServer = await watchAddress(db1.host)

    for (const machine of [lb2, lb1]) {
      await t.test(`${machine.host.name}: the address stays, every session goes on`, async (t) => {
        const said = await machine.apt('install', fileOf('mysql-balancer'))
        t.notMatch(said, /restarting|did not/)
        const done = `Version ${versionOf('current')} has taken over from ${versionOf('previous')}.`
        await waitFor(done, async () => (await machine.journal('balancer.service')).includes(done))
        await waitForUnit(machine, 'balancer.service', { ActiveState: 'active', SubState: 'running', NRestarts: '0' })
        t.equal(await machine.shell('tail -n 1 /etc/balancer/balancer.yaml'), `${edit}\n`)
        t.equal(await installedVersion(machine, 'mysql-balancer'), versionOf('current'))
        t.same([await holds(lb1), await holds(lb2)], [true, false])
        t.ok(load.isRunning(), 'sysbench has lost nothing')
      })
    }

    await t.test('the agent: no server goes down', async (t) => {
      // The machine's own nft: an older one cannot read the rules of a newer. Without -s its counters would differ.
      const rules = () => db1.shell(isDirect ? 'nft -s list ruleset' : 'true')
      const before = [await db1.property(prepares, 'MainPID'), await rules()] as const
      await db1.apt('install', fileOf('mysqlchk-agent'))
      await waitForUnit(db1, 'mysqlchk-agent.service', { ActiveState: 'active', SubState: 'running' })
      t.match(await db1.shell('mysqlchk-agent --version'), versionOf('current'))
      if (isDirect) {
        await waitFor('its successor', async () => !['0', before[0]].includes(await db1.property(prepares, 'MainPID')))
        await waitForUnit(db1, prepares, { ActiveState: 'active', SubState: 'running' })
      }
      t.same(changesOnServer(), [], 'the address on lo stays')
      t.equal(await rules(), before[1], 'so do the rules')
      t.ok(load.isRunning())
    })

    await t.test('nobody has noticed', async (t) => {
      const known = new Set(await sessionsOf(db1))
      t.same(
        before.filter((id) => !known.has(id)),
        [],
        'the sessions are the ones of the beginning',
      )
      await probe.settled()
      const { longestGapMs, failed, lostSessions, attempts } = probe.since(begun)
      t.comment(`${attempts} new connections meanwhile, longest gap ${longestGapMs} ms`)
      t.same({ failed, lostSessions }, { failed: 0, lostSessions: 0 })
      const moved = (lines: readonly string[]) => lines.filter((line) => line.startsWith('Deleted'))
      t.same(
        changes.map((said) => moved(said())),
        [[], []],
        'the address has not left lb1',
      )
      t.same(changes[1]?.(), [], 'and was never on lb2')
      await load.stop()
    })
    t.equal((await lb1.shell('nft list tables || true')).split('\n').includes('table netdev balancer'), isDirect)
  })
}
