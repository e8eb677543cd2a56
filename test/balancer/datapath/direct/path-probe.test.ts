// The ways to servers are tried as a client would go them: who is prepared answers, and no server program hears of it.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { mustRun } from '../../../lab/command.ts'
import type { Host } from '../../../lab/host.ts'
import { createLab } from '../../../lab/lab.ts'
import type { LabProcess } from '../../../lab/lab-process.ts'
import { startMariaDb } from '../../../lab/mariadb.ts'
import { balancerProgram as balancer } from '../../../lab/programs.ts'
import { waitFor } from '../../../lab/wait-for.ts'

t.setTimeout(600_000)
const program = fileURLToPath(new URL('./probe-process.js', import.meta.url))
const lab = await createLab({ name: 'probe' })
t.teardown(() => lab.destroy())
const lb = await lab.addHost('lb1', '198.18.0.1/24')
const hosts: Host[] = []
for (const i of [1, 2, 3, 4]) hosts.push(await lab.addHost(`db${i}`, `198.18.0.1${i}/24`))
const [db1, db2, db3, db4] = hosts as [Host, Host, Host, Host]

const ip = (host: Host, ...words: readonly string[]): Promise<string> => mustRun('ip', ['-n', host.namespace, ...words])
const within = (host: Host, command: string, ...words: readonly string[]): Promise<string> =>
  mustRun('nsenter', [`--net=/run/netns/${host.namespace}`, '--', command, ...words])
/** As `mysqlchk-agent direct-return up` prepares a server, with another port than that of the bind. */
const prepare = async (host: Host): Promise<void> => {
  await ip(host, 'address', 'add', '198.18.0.100/32', 'dev', 'lo')
  await within(host, 'sysctl', '-qw', 'net.ipv4.conf.eth0.arp_ignore=1', 'net.ipv4.conf.eth0.arp_announce=2')
  await within(
    host,
    'nft',
    'table ip direct { chain in { type nat hook prerouting priority -100; ip daddr 198.18.0.100 tcp dport 3366 redirect to :3306; }; }',
  )
}
const start = (...servers: readonly string[]): LabProcess =>
  lb.spawn('probe', process.execPath, [program, '198.18.0.100:3366', ...servers])
const results = (probe: LabProcess): readonly (readonly string[])[] =>
  probe.lines().flatMap((line) => (line.includes('"tried"') ? [JSON.parse(line).tried.value] : []))

await Promise.all([prepare(db1), prepare(db3)])
await within(db3, 'nft', 'table ip other { chain in { type filter hook input priority 0; tcp dport 3306 drop; }; }')
await within(db4, 'sysctl', '-qw', 'net.ipv4.ip_forward=1')
await ip(lb, 'address', 'add', '198.18.0.100/32', 'dev', 'eth0')
const mariadb = await startMariaDb({ lab, name: 'db1', host: db1, settings: { max_connect_errors: '1' } })
await mariadb.waitReady()
const aborted = async (): Promise<unknown> => (await mariadb.query("SHOW GLOBAL STATUS LIKE 'Aborted_connects'"))[0]

t.test('who is prepared answers; a firewall, a missing address and a server that forwards are told', async (t) => {
  const before = await aborted()
  const probe = start('198.18.0.11:3306', '198.18.0.12:3306', '198.18.0.13:3306', '198.18.0.14:3306')
  await waitFor('all four to be tried', () => results(probe).at(-1)?.length === 4)
  t.same(results(probe).at(-1), ['answers', 'silent', 'silent', 'silent'])
  await probe.waitForOutput(
    /Server mysql\/db3 does not answer for 198\.18\.0\.100:3366: .* mysqlchk-agent direct-return status/,
  )

  t.comment('who refuses is told from who is silent')
  await ip(db2, 'address', 'add', '198.18.0.100/32', 'dev', 'lo')
  await waitFor('a refusal', () => results(probe).at(-1)?.[1] === 'refused')
  await probe.waitForOutput(/Server mysql\/db2 refuses connections to 198\.18\.0\.100:3366: /)

  t.comment('the log says when it is over')
  await within(db3, 'nft', 'flush table ip other')
  const stub = db3.spawn('stub', 'nc', ['-lk', '-p', '3306'])
  await probe.waitForOutput(/Server mysql\/db3 answers for the addresses of its listener now/)
  await stub.stop()
  t.notMatch(probe.lines().join('\n'), /Server mysql\/db1/)
  t.same(await aborted(), before, 'MariaDB has heard of nobody')
  await probe.stop()
})

t.test('balancer check names the servers that are not reached, and the rules in the way', async (t) => {
  const servers = ['198.18.0.11', '198.18.0.12', '198.18.0.17', '203.0.113.7'].map((address, i) => ({
    ...{ name: `db${i + 1}`, address: `${address}:3306` },
  }))
  const file = join(lab.directory, 'balancer.yaml')
  const listeners = [{ name: 'mysql', bind: '198.18.0.100:3366', datapath: 'direct', servers }]
  writeFileSync(file, JSON.stringify({ router_id: 'lb1', listeners, admin: { socket: join(lab.directory, 'a.sock') } }))
  await ip(lb, 'route', 'add', 'default', 'via', '198.18.0.14')
  await within(
    lb,
    'nft',
    'table netdev other { chain in { type filter hook ingress device eth0 priority -5; tcp dport 3366 drop; }; }',
  )
  const { code, stderr } = await lb.run(process.execPath, [balancer, 'check', '--config', file])
  await within(lb, 'nft', 'delete table netdev other')
  await ip(lb, 'route', 'del', 'default')
  t.equal(code, 0, stderr)
  const said = stderr.split('\n').filter((line) => line.includes('datapath: direct'))
  t.same(said.map((line) => line.replace('warning: datapath: direct: ', '')).toSorted(), [
    'chain in of the table netdev other drops what clients send to 198.18.0.100:3366 (rule "tcp dport 3366 drop"); run: nft insert rule netdev other in ip daddr 198.18.0.100 tcp dport 3366 accept',
    'server mysql/db2 refuses connections to 198.18.0.100:3366: nothing listens there, or its port is not redirected; run there: mysqlchk-agent direct-return status',
    'server mysql/db3 (198.18.0.17): its MAC address is not known: nobody answers for it on eth0 (ARP)',
    'server mysql/db4 (203.0.113.7): it is behind the router 198.18.0.14 (eth0), and frames go no further than this network segment; put balancers and servers on one network segment, or write datapath: kernel',
  ])
})

t.test(
  'a host without the address probes as well; no half-open connection stays, and nobody gets blocked',
  async (t) => {
    await ip(lb, 'address', 'del', '198.18.0.100/32', 'dev', 'eth0')
    const before = await aborted()
    const probe = start('198.18.0.11:3306')
    await waitFor('many results', () => results(probe).length > 20)
    await probe.stop()
    t.same(new Set(results(probe).flat()), new Set(['answers']))
    t.same(await aborted(), before)
    await waitFor('half-open connections to be gone', async () => {
      const { stdout } = await db1.run('ss', ['-tnH', 'state', 'syn-recv'])
      return stdout === ''
    })
    const greeting = await lb.run('timeout', ['5', 'nc', '-w', '2', '198.18.0.11', '3306'])
    t.match(greeting.stdout, /MariaDB/, 'no error 1129')
  },
)

t.test("balancer check says when this host has no address but the listener's to speak to servers as", async (t) => {
  const file = join(lab.directory, 'balancer.yaml')
  const servers = [{ name: 'db1', address: '198.18.0.11:3306' }]
  const listeners = [{ name: 'mysql', bind: '198.18.0.1:3366', datapath: 'direct', servers }]
  writeFileSync(file, JSON.stringify({ router_id: 'lb1', listeners, admin: { socket: join(lab.directory, 'a.sock') } }))
  const { stderr } = await lb.run(process.execPath, [balancer, 'check', '--config', file])
  t.match(stderr, /server mysql\/db1 \(198\.18\.0\.11\): this host has no address on eth0 .* give the listener another/)
})

t.test('IPv6 is tried as well', async (t) => {
  await ip(lb, 'address', 'add', 'fd00::1/64', 'dev', 'eth0', 'nodad')
  for (const [i, host] of [db1, db2].entries()) {
    await ip(host, 'address', 'add', `fd00::1${i + 1}/64`, 'dev', 'eth0', 'nodad')
  }
  await ip(db1, 'address', 'add', 'fd00::100/128', 'dev', 'lo')
  const stub = db1.spawn('stub6', 'nc', ['-6lk', '-p', '3366'])
  const probe = lb.spawn('probe6', process.execPath, [
    program,
    '[fd00::100]:3366',
    '[fd00::11]:3306',
    '[fd00::12]:3306',
  ])
  t.ok(await waitFor('the result', () => results(probe).at(-1)?.join() === 'answers,silent'))
  await Promise.all([probe.stop(), stub.stop()])
})
