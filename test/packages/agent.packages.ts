// The agent's package from the installation to the purge, on clean systems with MariaDB under a real systemd.

import t from 'tap'
import { createLab } from '../lab/lab.ts'
import { waitFor } from '../lab/wait-for.ts'
import { differences, footprintOf } from './footprint.ts'
import {
  ask,
  bootMachine,
  fileOf,
  installedVersion,
  openToClients,
  rebuildWithOtherFile,
  systems,
  versionOf,
  waitForAnswer,
  waitForUnit,
} from './system.ts'

t.setTimeout(600_000)

const unit = 'mysqlchk-agent.service'
const file = '/etc/mysqlchk-agent/agent.yaml'
const name = 'mysqlchk-agent'
const healthy = /^200 ok; the check query answers$/

for (const system of systems) {
  await t.test(system.title, async (t) => {
    const lab = await createLab({ name: 'packages-agent' })
    t.teardown(() => lab.destroy())
    const client = await lab.addHost('client', '198.18.0.200/24')
    const db1 = await bootMachine({ lab, system, name: 'db1', cidr: '198.18.0.11/24', withServer: true })
    const answer = (path = '/') => ask(client, `http://${db1.host.address}:9222${path}`)
    const isHealthy = () => waitForAnswer(answer, healthy)
    const running = { ActiveState: 'active', SubState: 'running' }
    await openToClients(db1)
    // What apt installs beside the agent stays, and direct return's settings cannot be written from inside a container.
    await db1.apt('install', 'nftables')
    await db1.host.run('sysctl', ['-qw', 'net.ipv4.conf.eth0.arp_ignore=1', 'net.ipv4.conf.eth0.arp_announce=2'])
    const before = await footprintOf(db1)

    await t.test('is installed with apt alone and runs at once: 503, and one sentence what to do', async (t) => {
      await db1.apt('install', fileOf(name))
      await waitForUnit(db1, unit, { ...running, UnitFileState: 'enabled', NRestarts: '0' })
      t.match(await answer(), /^503 not-set-up; .*mysqlchk-agent setup-user --apply/)
      const { stdout } = await client.run('curl', ['-sS', `http://${db1.host.address}:9222/`])
      t.match(stdout, /^MySQL is \*down\*\.\r\n.*setup-user --apply.*\r\n$/)
      t.match(await db1.property(unit, 'StatusText'), /setup-user --apply/)
      t.match(await db1.shell('mysqlchk-agent --version'), versionOf('current'))
    })

    await t.test('setup-user makes the user over the root socket, and the answer is 200', async (t) => {
      await db1.shell('mysqlchk-agent setup-user --apply')
      t.ok(await isHealthy())
      t.equal(await db1.shell('stat -c "%U %a" /etc/mysqlchk-agent/password'), 'root 600\n')
      t.notOk((await db1.journal(unit)).includes((await db1.shell('cat /etc/mysqlchk-agent/password')).trim()))
    })

    await t.test('a reload takes a good file over, and a bad one changes nothing', async (t) => {
      const pid = await db1.property(unit, 'MainPID')
      await db1.shell(`cp ${file} /root/good && echo 'respnse: {}' >>${file} && systemctl reload ${unit}`)
      t.ok(await waitFor('the refusal', async () => /did you mean response\?/.test(await db1.journal(unit))))
      t.match(await answer(), healthy)
      await db1.shell(`sed 's/port: 9222/port: 9223/' /root/good >${file} && systemctl reload ${unit}`)
      t.ok(await waitForAnswer(() => ask(client, `http://${db1.host.address}:9223/`), healthy))
      await db1.shell(`cp /root/good ${file} && systemctl reload ${unit}`)
      t.ok(await isHealthy())
      t.equal(await db1.property(unit, 'MainPID'), pid, 'it is the same process')
    })

    await t.test('systemd restarts it after a hang and after a crash', async (t) => {
      await db1.shell(`systemctl kill --signal=STOP ${unit}`)
      await waitForUnit(db1, unit, { ...running, NRestarts: '1' }, { limit: 60_000 })
      t.match(await db1.journal(unit), /Watchdog timeout/)
      await db1.shell(`kill -9 ${await db1.property(unit, 'MainPID')}`)
      await waitForUnit(db1, unit, { ...running, NRestarts: '2' })
      t.ok(await isHealthy())
    })

    await t.test('fail takes the host out and pass brings it back', async (t) => {
      await db1.shell('mysqlchk-agent fail "new disks"')
      t.equal(await answer(), '503 force-fail; new disks')
      await db1.shell('mysqlchk-agent pass')
      t.match(await answer(), healthy)
    })

    await t.test('direct return is off until it is enabled; its address stays through an upgrade', async (t) => {
      const [prepares, address] = ['mysqlchk-agent-direct-return.service', '198.18.0.100']
      t.equal(await db1.property(prepares, 'UnitFileState'), 'disabled')
      t.match(await db1.shell(`systemctl cat ${prepares.replace('.service', '@3307.service')}`), /3307|%i/)
      await db1.shell(
        `cp ${file} /root/without && echo 'direct_return: [{ address: ${address}, port: 3366 }]' >>${file}`,
      )
      await db1.shell(`systemctl enable --now ${prepares}`)
      await waitForUnit(db1, prepares, running)
      t.match(await db1.shell('mysqlchk-agent direct-return status'), /198\.18\.0\.100:3366 +ready/)
      const pid = await db1.property(prepares, 'MainPID')
      const monitor = db1.host.spawn('monitor', 'ip', ['monitor', 'address'])
      await db1.apt('--reinstall', 'install', fileOf(name))
      await waitFor('its successor', async () => !['0', pid].includes(await db1.property(prepares, 'MainPID')))
      await waitForUnit(db1, prepares, running)
      t.notMatch(monitor.lines().join('\n'), address)
      await db1.shell(`systemctl disable --now ${prepares} && cp /root/without ${file} && rm /root/without`)
      t.ok(await waitFor('the address to go', () => monitor.lines().some((line) => line.includes(address))))
      await monitor.stop()
      await db1.shell(`systemctl reload ${unit}`)
      t.ok(await isHealthy())
    })

    await t.test('an edited file outlives downgrade and upgrade, also where the shipped one has changed', async (t) => {
      const edit = '# ours: edited at night'
      await db1.shell(`echo '${edit}' >>${file}`)
      await rebuildWithOtherFile(db1, name, file)
      const keep = '-o Dpkg::Options::=--force-confold'
      await db1.apt(keep, '--allow-downgrades', 'install', '/root/other.deb')
      await waitForUnit(db1, unit, running)
      t.equal(await installedVersion(db1, name), versionOf('previous'))
      t.ok(await isHealthy())
      await db1.apt(keep, 'install', fileOf(name))
      await waitForUnit(db1, unit, running)
      t.ok(await isHealthy())
      t.match(await db1.shell('mysqlchk-agent --version'), versionOf('current'))
      t.equal(await db1.shell(`tail -n 1 ${file}`), `${edit}\n`)
      t.match(await db1.shell(`cat ${file}.dpkg-dist`), /^mysql:/m)
    })

    await t.test('remove stops it and keeps the configuration; purge leaves nothing', async (t) => {
      await db1.shell('systemctl enable mysqlchk-agent@3307.service')
      await db1.apt('remove', name)
      t.equal(await answer(), 'no answer')
      t.match(await db1.shell(`cat ${file}`), /edited at night/)
      await db1.shell('rm /root/good /root/other.deb')
      await db1.apt('purge', name)
      t.same(differences(before, await footprintOf(db1)), [])
    })
  })
}
