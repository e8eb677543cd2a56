// What stands in the way of an installation: programs on the same port or address, an operator's own unit, a full disk.

import t from 'tap'
import { createLab } from '../lab/lab.ts'
import { standInFile, standInScript, standInService } from '../lab/stand-in-script.ts'
import { ask, bootMachine, debians, fileOf, waitForAnswer, waitForUnit } from './system.ts'

t.setTimeout(600_000)

const running = { ActiveState: 'active', SubState: 'running' }
const keepalived = `vrrp_instance VI_1 {
  state MASTER
  interface eth0
  virtual_router_id 51
  priority 100
  virtual_ipaddress {
    198.18.0.100/24
  }
}
`
const handMade = `[Service]
ExecStart=/bin/sleep infinity
[Install]
WantedBy=multi-user.target
`

for (const system of debians) {
  await t.test(system.title, async (t) => {
    const lab = await createLab({ name: 'packages-obstacles' })
    t.teardown(() => lab.destroy())
    const client = await lab.addHost('client', '198.18.0.200/24')

    await t.test('a host with xinetd and keepalived', async (t) => {
      const old = await bootMachine({ lab, system, name: 'old', cidr: '198.18.0.11/24', withServer: true })
      const answer = () => ask(client, `http://${old.host.address}:9222/`)
      await old.write(standInFile, standInScript)
      await old.write('/etc/xinetd.d/mysqlchk', standInService(false))
      await old.write('/etc/keepalived/keepalived.conf', keepalived)
      await old.shell('chmod 755 /usr/local/bin/mysqlchk')
      await old.apt('-o Dpkg::Options::=--force-confold', 'install', 'xinetd', 'keepalived')
      await waitForAnswer(answer, /^200$/)

      await t.test('the agent says who has the port, and takes it the moment it is free', async (t) => {
        const said = await old.apt('install', fileOf('mysqlchk-agent'))
        t.match(said, /xinetd answers on port 9222.*mysqlchk/)
        await waitForUnit(old, 'mysqlchk-agent.service', running)
        t.match(await old.property('mysqlchk-agent.service', 'StatusText'), /9222.*xinetd/)
        t.equal(await answer(), '200', 'xinetd answers as before')
        await old.shell(said.match(/takes it when it is free: (.*)/)?.[1] ?? 'false')
        t.ok(await waitForAnswer(answer, /^503 not-set-up; /))
      })

      await t.test('the balancer does not start beside keepalived, and names both commands', async (t) => {
        const said = await old.apt('install', fileOf('mysql-balancer'))
        t.match(said, /Running on this host: keepalived/)
        t.match(said, /systemctl disable --now keepalived && systemctl enable --now balancer/)
        t.equal(await old.property('balancer.service', 'ActiveState'), 'inactive')
        t.equal(
          await old.property('balancer.service', 'UnitFileState'),
          'disabled',
          'nor do both start at the next boot',
        )
        t.equal(await old.property('keepalived.service', 'ActiveState'), 'active')
      })
    })

    await t.test("an operator's own unit goes on, and the installation says so", async (t) => {
      const own = await bootMachine({ lab, system, name: 'own', cidr: '198.18.0.12/24' })
      for (const name of ['mysqlchk-agent', 'balancer'])
        await own.write(`/etc/systemd/system/${name}.service`, handMade)
      await own.shell('systemctl daemon-reload && systemctl enable --now mysqlchk-agent')
      const said = await own.apt('install', fileOf('mysqlchk-agent'))
      t.match(said, /\/etc\/systemd\/system\/mysqlchk-agent\.service hides the unit of this package/)
      t.match(await own.property('mysqlchk-agent.service', 'ExecStart'), /sleep/)
      t.equal(await own.property('mysqlchk-agent.service', 'ActiveState'), 'active')
      t.match(await own.apt('install', fileOf('mysql-balancer')), /\/etc\/systemd\/system\/balancer\.service hides/)
    })

    await t.test('a disk that is full in the middle: a clear failure, and with room it is made good', async (t) => {
      const full = await bootMachine({ lab, system, name: 'full', cidr: '198.18.0.13/24', disk: '260m' })
      await full.shell(
        'dd if=/dev/zero of=/var/filler bs=1M count=$(($(df --output=avail -m / | tail -n 1) - 60)) 2>&1',
      )
      const { code, said } = await full.try(
        `DEBIAN_FRONTEND=noninteractive apt-get --yes install ${fileOf('mysqlchk-agent')}`,
      )
      t.not(code, 0)
      t.match(said, /No space left on device/)
      t.equal(await full.property('mysqlchk-agent.service', 'ActiveState'), 'inactive')
      await full.shell('rm /var/filler')
      await full.apt('install', '--fix-broken')
      await full.apt('install', fileOf('mysqlchk-agent'))
      await waitForUnit(full, 'mysqlchk-agent.service', running)
      t.equal(await full.shell('dpkg --audit && dpkg --verify mysqlchk-agent'), '')
    })
  })
}
