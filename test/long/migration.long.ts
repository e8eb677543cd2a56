// The way of balancer/README.md from keepalived and HAProxy to the balancer, and back: the real old pair, checked by the classic
// script on one database host and by the agent on the other, and clients that connect all the time.

import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { startAgent } from '../e2e/agent.ts'
import { ask } from '../e2e/sides.ts'
import { startClassicScript } from '../lab/classic-script.ts'
import { type Mark, startProbe } from '../lab/gap-probe.ts'
import type { Host } from '../lab/host.ts'
import { createLab } from '../lab/lab.ts'
import type { LabProcess } from '../lab/lab-process.ts'
import { startMariaDb } from '../lab/mariadb.ts'
import { appUser } from '../lab/mariadb-files.ts'
import { balancerProgram } from '../lab/programs.ts'
import { waitFor } from '../lab/wait-for.ts'

t.setTimeout(900_000)
const lab = await createLab({ name: 'long-migration' })
t.teardown(() => lab.destroy())
const db1 = await lab.addHost('db1', '198.18.0.11/24')
const db2 = await lab.addHost('db2', '198.18.0.12/24')
const client = await lab.addHost('client', '198.18.0.200/24')
const lbs = [await lab.addHost('lb1', '198.18.0.2/24'), await lab.addHost('lb2', '198.18.0.3/24')] as const
const [address, trial, port, checkPort] = ['198.18.0.100', '198.18.0.101', 3306, 9200]
const settings = { max_connect_errors: '1000000' }
const one = await startMariaDb({ lab, host: db1, name: 'db1', settings })
const two = await startMariaDb({ lab, host: db2, name: 'db2', settings })
startClassicScript({ host: db1, directory: lab.directory, port: checkPort, socket: one.socket })
// The fleet is mixed: the agent has the port of the script until the last script is gone.
await startAgent(lab, db2, two, `listen: { address: 0.0.0.0, port: ${checkPort} }`)

const directoryOf = (host: Host): string => {
  const directory = join(lab.directory, `${host.name}-etc`)
  mkdirSync(directory, { recursive: true })
  chmodSync(directory, 0o755)
  return directory
}

type Old = { readonly stop: () => Promise<void> }

/** The old pair's half on a host, as operators have it. */
const startOld = async (host: Host, priority: number): Promise<Old> => {
  const file = (name: string): string => join(directoryOf(host), name)
  await host.run('sysctl', ['-q', '-w', 'net.ipv4.ip_nonlocal_bind=1'])
  writeFileSync(
    file('haproxy.cfg'),
    `global
  maxconn 500
  stats socket ${file('haproxy.sock')} mode 600 level admin
defaults
  mode tcp
  option redispatch
  timeout connect 5s
  timeout client 8h
  timeout server 8h
listen mysql
  bind ${address}:${port}
  option httpchk
  default-server check port ${checkPort} inter 1s fastinter 500ms rise 2 fall 3 on-marked-down shutdown-sessions
  server db1 ${db1.address}:3306
  server db2 ${db2.address}:3306 backup
`,
  )
  writeFileSync(
    file('keepalived.conf'),
    `vrrp_instance VI_1 {
  state BACKUP
  interface eth0
  virtual_router_id 51
  priority ${priority}
  advert_int 1
  authentication {
    auth_type PASS
    auth_pass secret
  }
  virtual_ipaddress {
    ${address}/24
  }
}
`,
  )
  const haproxy = host.spawn('haproxy', 'haproxy', ['-db', '-f', file('haproxy.cfg')])
  const keepalived = host.spawn('keepalived', 'keepalived', [
    ...['--dont-fork', '--log-console', '--use-file', file('keepalived.conf')],
    ...['--pid', file('keepalived.pid'), '--vrrp_pid', file('vrrp.pid')],
  ])
  await waitFor(`HAProxy of ${host.name} to see both`, async () => {
    const rows = (await ask(file('haproxy.sock'), 'show stat')).split('\n').map((line) => line.split(','))
    const states = rows.filter(([proxy, name]) => proxy === 'mysql' && name?.startsWith('db')).map((row) => row[17])
    return states.length === 2 && states.every((state) => state?.startsWith('UP'))
  })
  return {
    stop: async () => {
      keepalived.signal('SIGTERM')
      await waitFor('keepalived to end', () => !keepalived.isRunning())
      await haproxy.kill()
    },
  }
}

type Ours = { readonly process: LabProcess; readonly show: (what: string) => Promise<string> }

/** The balancer on a host, as a virtual router of this id. */
const startOurs = async (host: Host, id: number, virtual: string, priority: number): Promise<Ours> => {
  const file = (name: string): string => join(directoryOf(host), name)
  const socket = file('admin.sock')
  writeFileSync(file('vrrp.password'), 'secret\n', { mode: 0o600 })
  writeFileSync(
    file('balancer.yaml'),
    `router_id: ${host.name}
vrrp:
  instances:
    - name: VI_1
      interface: eth0
      virtual_router_id: ${id}
      priority: ${priority}
      advertisement_interval: 1s
      authentication: { type: pass, password_file: ${file('vrrp.password')} }
      virtual_addresses: [${virtual}/24]
listeners:
  - name: mysql
    bind: ${virtual}:${port}
    timeouts: { connect: 5s, client: 8h, server: 8h }
    check: { type: http, port: ${checkPort}, interval: 1s, fast_interval: 500ms, rise: 2, fall: 3 }
    servers:
      - { name: db1, address: "${db1.address}:3306" }
      - { name: db2, address: "${db2.address}:3306", backup: true }
admin: { socket: ${socket} }
state_file: ${file('state.json')}
`,
  )
  const process_ = host.spawn('balancer', process.execPath, [balancerProgram, '--config', file('balancer.yaml')])
  await process_.waitForOutput(/Balancer is running/)
  await waitFor(`${host.name} to see both`, async () => {
    const text = await ask(socket, 'show servers --json')
    return (text.match(/"status": ?"UP"/g)?.length ?? 0) === 2
  })
  return { process: process_, show: (what) => ask(socket, `show ${what}`) }
}

const holds = (host: Host, what: string) =>
  waitFor(`${host.name} to hold ${what}`, async () =>
    (await host.addresses()).some((held) => held.startsWith(`${what}/`)),
  )

const old = [await startOld(lbs[0], 101), await startOld(lbs[1], 100)] as const
await holds(lbs[0], address)
const probe = await startProbe(client, {
  target: { address, port },
  ...{ user: appUser.user, password: appUser.password, interval: 20, sessions: 4 },
})
await waitFor('clients to be served', () => probe.counters().openSessions === 4)

const tell = async (t: Test, what: string, since: Mark): Promise<void> => {
  await probe.settled()
  const { longestGapMs, failed, lostSessions } = probe.since(since)
  t.comment(`${what}: ${lostSessions} sessions ended, ${failed} connects failed, longest gap ${longestGapMs} ms`)
  await waitFor('clients to be served', () => probe.counters().openSessions === 4)
}

t.test('side by side under another virtual_router_id and address, nobody notices', async (t) => {
  const mark = probe.mark()
  const tried = [await startOurs(lbs[0], 52, trial, 101), await startOurs(lbs[1], 52, trial, 100)] as const
  await holds(lbs[0], trial)
  const asked = await client.run('mysql', [
    ...['--host', trial, '--user', appUser.user, `--password=${appUser.password}`, '--batch', '--skip-column-names'],
    ...['--execute', 'SELECT @@hostname IS NOT NULL'],
  ])
  t.equal(asked.stdout.trim(), '1', asked.stderr)
  await probe.settled()
  t.match(probe.since(mark), { failed: 0, lostSessions: 0 })
  for (const { process: balancer } of tried) t.match(await balancer.stop(), { code: 0 })
})

t.test(
  'host by host the balancer joins the virtual router of keepalived, takes the address over, and gives it back',
  async (t) => {
    let mark = probe.mark()
    await old[1].stop()
    const second = await startOurs(lbs[1], 51, address, 100)
    t.match(await second.show('vrrp'), /BACKUP/)
    await probe.settled()
    t.match(probe.since(mark), { failed: 0, lostSessions: 0 }, 'the backup is replaced: nobody notices')

    mark = probe.mark()
    await old[0].stop()
    await holds(lbs[1], address)
    await tell(t, 'from keepalived to the balancer', mark)

    mark = probe.mark()
    const back = await startOld(lbs[0], 101)
    await holds(lbs[0], address)
    await tell(t, 'back to keepalived', mark)
    t.match(await second.show('vrrp'), /BACKUP/)

    mark = probe.mark()
    await back.stop()
    await holds(lbs[1], address)
    const first = await startOurs(lbs[0], 51, address, 101)
    await holds(lbs[0], address)
    await tell(t, 'over again, and to the preferred host', mark)
    t.match(await first.show('vrrp'), /MASTER/)
    t.match(await second.show('vrrp'), /BACKUP/)
    await probe.stop()
    for (const { process: balancer } of [first, second]) t.match(await balancer.stop(), { code: 0 })
  },
)
