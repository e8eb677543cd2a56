// The balancer's package from the installation to the purge, on clean systems under a real systemd.

import t from 'tap'
import { createLab } from '../lab/lab.ts'
import { waitFor } from '../lab/wait-for.ts'
import { differences, footprintOf } from './footprint.ts'
import {
  bootMachine,
  fileOf,
  installedVersion,
  rebuildWithOtherFile,
  systems,
  versionOf,
  waitForUnit,
} from './system.ts'

t.setTimeout(600_000)

const unit = 'balancer.service'
const file = '/etc/balancer/balancer.yaml'
const name = 'mysql-balancer'
const running = { ActiveState: 'active', SubState: 'running' }
const virtual = '198.18.0.100/24'
const setup = `balancer setup --yes --interface eth0 --address ${virtual}:3306 --servers db1=198.18.0.11 --peer none --router-id lb1 --priority 101`

for (const system of systems) {
  await t.test(system.title, async (t) => {
    const lab = await createLab({ name: 'packages-balancer' })
    t.teardown(() => lab.destroy())
    const lb1 = await bootMachine({ lab, system, name: 'lb1', cidr: '198.18.0.2/24' })
    const holds = async () => (await lb1.host.addresses()).includes(virtual)
    const holdsAgain = () => waitFor(`${virtual} on lb1`, holds)
    await lb1.apt('install', 'nftables')
    const before = await footprintOf(lb1)

    await t.test('is installed with apt alone, and does not start with the example', async (t) => {
      t.match(await lb1.apt('install', fileOf(name)), /not configured yet.*balancer setup/)
      t.same(
        [await lb1.property(unit, 'ActiveState'), await lb1.property(unit, 'UnitFileState')],
        ['inactive', 'enabled'],
      )
      t.same([...(await lb1.host.addresses())], ['198.18.0.2/24'])
      t.match(await lb1.shell('balancer --version'), versionOf('current'))
    })

    await t.test('setup writes a configuration, and started with it the host holds the address', async (t) => {
      await lb1.shell(setup)
      t.match(await lb1.shell('balancer check'), /valid/)
      await lb1.shell(`systemctl start ${unit}`)
      await waitForUnit(lb1, unit, { ...running, NRestarts: '0' })
      t.ok(await holdsAgain())
      t.match(await lb1.shell('balancer show vrrp'), /MASTER/i)
    })

    await t.test('a reload with a mistake fails, says where, and changes nothing', async (t) => {
      const pid = await lb1.property(unit, 'MainPID')
      await lb1.shell(`cp ${file} /root/good && echo 'listners: []' >>${file}`)
      t.not((await lb1.try(`systemctl reload ${unit}`)).code, 0)
      t.match(await lb1.journal(unit), /balancer\.yaml:\d+:\d+: listners: .*did you mean listeners/)
      t.ok(await holds())
      await lb1.shell(`cp /root/good ${file} && systemctl reload ${unit}`)
      t.equal(await lb1.property(unit, 'MainPID'), pid, 'it is the same process')
      await waitForUnit(lb1, unit, running)
    })

    await t.test('systemd restarts it after a hang and after a crash', async (t) => {
      await lb1.shell(`kill -STOP ${await lb1.property(unit, 'MainPID')}`)
      await waitForUnit(lb1, unit, { ...running, NRestarts: '1' }, { limit: 90_000 })
      t.match(await lb1.journal(unit), /Watchdog timeout/)
      t.ok(await holdsAgain())
      await lb1.shell(`kill -9 ${await lb1.property(unit, 'MainPID')}`)
      await waitForUnit(lb1, unit, { ...running, NRestarts: '2' })
      t.ok(await holdsAgain())
    })

    await t.test('an edited file outlives downgrade and upgrade, also where the shipped one has changed', async (t) => {
      const edit = '# ours: edited at night'
      await lb1.shell(`echo '${edit}' >>${file}`)
      await rebuildWithOtherFile(lb1, name, file)
      const keep = '-o Dpkg::Options::=--force-confold'
      await lb1.apt(keep, '--allow-downgrades', 'install', '/root/other.deb')
      t.equal(await installedVersion(lb1, name), versionOf('previous'))
      await waitForUnit(lb1, unit, running)
      await lb1.apt(keep, 'install', fileOf(name))
      await waitForUnit(lb1, unit, running)
      t.ok(await holdsAgain())
      t.equal(await lb1.shell(`tail -n 1 ${file}`), `${edit}\n`)
      t.match(await lb1.shell('balancer --version'), versionOf('current'))
    })

    await t.test('a stop takes the address away; purge leaves nothing', async (t) => {
      await lb1.apt('remove', name)
      t.notOk(await holds())
      t.match(await lb1.shell(`cat ${file}`), /edited at night/)
      await lb1.apt('purge', name)
      await lb1.shell('rm /root/good /root/other.deb')
      t.same(differences(before, await footprintOf(lb1)), [])
    })
  })
}
