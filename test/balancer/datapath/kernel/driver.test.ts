// The whole balancer with `datapath: kernel`: real processes, nft and connection tracking, and servers that are stand-ins.

import t from 'tap'
import { tableName } from '../../../../balancer/datapath/kernel/core/names.ts'
import { waitFor } from '../../../lab/wait-for.ts'
import { openBalancerLab, servicePort, virtualAddress } from './balancer-lab.ts'

t.setTimeout(600_000)
const site = await openBalancerLab()
const { lab, lb, peer, write, ask, start, show, isServing, hasTable, entries, inLb, pids } = site
t.teardown(() => lab.destroy())
const client = peer('client')
const connect = () => client.connect(virtualAddress, servicePort)
/** How many of so many new sessions each server gets; all hang up again. */
const shares = async (times: number): Promise<Record<string, number>> => {
  const found: Record<string, number> = {}
  for (const { server, error } of await client.connectOften(times, virtualAddress, servicePort)) {
    found[server || error] = (found[server || error] ?? 0) + 1
  }
  return found
}
const tracking = ['acct', 'timestamp', 'events'].map((name) => `net.netfilter.nf_conntrack_${name}`)
const sysctls = () => inLb('sysctl', '-e', 'net.ipv4.conf.eth0.forwarding', 'net.ipv4.ip_forward', ...tracking)
const reload = async (): Promise<string> => ask('reload')

const untouched = await sysctls()
write()
let running = await start()
await isServing()

t.test('sessions are forwarded, and counted', async (t) => {
  const attempts = [await connect(), await connect()]
  t.same(attempts.map(({ server }) => server).sort(), ['db1', 'db2'])
  t.ok(attempts.every(({ seen }) => seen === virtualAddress))
  await waitFor('both to be counted', async () => (await show()).sessions === 2)
  t.match(await show(), { binds: [{ open: true }], servers: [{ sessions: 1 }, { sessions: 1 }] })
  for (const { session } of attempts) await client.hangUp(session)
  await waitFor('both to be gone', async () => (await show()).sessions === 0)
  const { ends, total_sessions: total } = await show()
  t.same({ ends, total }, { ends: { closed: 2 }, total: 2 })
  await waitFor('their bytes', async () =>
    (await show()).servers.every(({ bytes_in: sent, bytes_out: back }) => (sent ?? 0) > 0 && (back ?? 0) > 0),
  )
})

t.test('a changed weight changes the shares, and no session ends', async (t) => {
  const { session } = await connect()
  t.match(await ask('server mysql/db1 weight 3'), /db1/)
  await waitFor('three of four to go there', async () => (await shares(4))['db1'] === 3)
  t.ok(await client.say(session))
  await ask('server mysql/db1 weight 1')
  await waitFor('both to get the same', async () => (await shares(4))['db1'] === 2)
  await client.hangUp(session)
})

for (const role of ['kernel', 'director', 'vrrp']) {
  t.test(`kill -9 of the process ${role}: its successor adopts what is there`, async (t) => {
    const { session } = await connect()
    const [pid = 0] = await pids(role)
    process.kill(pid, 'SIGKILL')
    t.same(await shares(2), { db1: 1, db2: 1 }, 'rules go on')
    await waitFor('another one', async () => (await pids(role)).some((other) => other !== pid))
    await waitFor('it to count the session', async () => (await show()).sessions === 1)
    t.same(await shares(4), { db1: 2, db2: 2 }, 'no target was taken away')
    t.ok(await client.say(session))
    await client.hangUp(session)
    await isServing()
  })
}

t.test('a table that somebody flushed is put back, with a line in the log', async (t) => {
  const { session } = await connect()
  await inLb('nft', 'flush', 'ruleset')
  await waitFor('the table', hasTable)
  await running.waitForOutput(/Table inet balancer is gone; the rules are put back/)
  t.ok(await client.say(session))
  t.same(await shares(2), { db1: 1, db2: 1 })
  await inLb('nft', 'flush', 'chain', 'inet', tableName, 'nat-prerouting')
  await running.waitForOutput(/Table inet balancer was changed by somebody; the rules are put back/)
  await waitFor('it to be forwarded again', async () => (await shares(1))['ECONNREFUSED'] === undefined)
  await client.hangUp(session)
})

t.test('a server that died: its waiting clients are reset, others stay', async (t) => {
  const sessions = [await connect(), await connect()]
  const on = (name: string) => sessions.find(({ server }) => server === name)?.session ?? 0
  // The host is there no more: it says nothing.
  await peer('db1').host.cutLink()
  await waitFor('it to be down', async () => (await show()).servers.some(({ up }) => !up))
  const fate = await client.fate(on('db1'))
  t.equal(fate, 'ECONNRESET')
  t.ok(await client.say(on('db2')))
  t.same(await shares(2), { db2: 2 })
  await peer('db1').host.restoreLink()
  await isServing()
  await waitFor('it to be counted', async () => (await show()).ends['server-down'] === 1)
  await running.waitForOutput(/198\.18\.0\.200:\d+ \[.*\] mysql mysql\/db1 0\/-1\/\d+ \d+ DD /)
  await client.hangUp(on('db2'))
})

t.test('a server that refuses fails no client, and is known at once', async (t) => {
  await peer('db1').endServing(3306)
  const attempts = await Promise.all(Array.from({ length: 4 }, connect))
  t.same([...new Set(attempts.map(({ server, error }) => server || error))], ['db2'])
  t.ok(((await show()).servers[0]?.connect_failures ?? 0) > 0)
  for (const { session } of attempts) await client.hangUp(session)
  await peer('db1').serve(3306)
  await isServing()
})

t.test('drain leaves sessions alone', async (t) => {
  const sessions = [await connect(), await connect()]
  await ask('server mysql/db1 drain')
  await waitFor('no new ones', async () => (await shares(2))['db1'] === undefined)
  for (const { session } of sessions) t.ok(await client.say(session))
  await ask('server mysql/db1 ready')
  for (const { session } of sessions) await client.hangUp(session)
  await isServing()
})

t.test('max_connections of the listener: the next one is reset, until one goes', async (t) => {
  write('max_connections: 2')
  t.match(await reload(), /changed max_connections/)
  const sessions = [await connect(), await connect()]
  t.equal((await connect()).error, 'ECONNREFUSED')
  await client.hangUp(sessions[0]?.session ?? 0)
  await waitFor('room', async () => (await connect()).error === '')
  await waitFor('it to be counted', async () => ((await show()).ends['full'] ?? 0) > 0)
  write()
  await reload()
})

t.test('leastconn gives new sessions to the server with fewer', async () => {
  const sessions: number[] = []
  await ask('server mysql/db2 drain')
  await waitFor('db2 to get none', async () => (await shares(2))['db2'] === undefined)
  for (let i = 0; i < 12; i += 1) sessions.push((await connect()).session)
  write('balance: leastconn')
  await reload()
  await ask('server mysql/db2 ready')
  await waitFor('db2 to get more than its half', async () => ((await shares(8))['db2'] ?? 0) >= 6)

  for (const session of sessions) await client.hangUp(session)
  await waitFor('both to get the same again', async () => (await shares(8))['db2'] === 4, { interval: 500 })
  write()
  await reload()
})

t.test('changed timeouts hold for live sessions as well', async (t) => {
  const [silent, talking] = [await connect(), await connect()]
  write('timeouts: { client: 3s, server: 3s }')
  await reload()
  const talk = setInterval(() => void client.say(talking.session), 300)
  await waitFor('the silent one to be over', async () => ((await show()).ends['timeout'] ?? 0) > 0)
  await waitFor('the entry to be gone', async () => (await show()).sessions === 1)
  clearInterval(talk)
  t.ok(await client.say(talking.session))
  write()
  await reload()
  for (const { session } of [silent, talking]) await client.hangUp(session)
})

t.test('nft that fails while it runs: the rules stay, and change when it works again', async (t) => {
  const { session } = await connect()
  site.breakNft('echo "Error: no luck today" >&2; exit 1')
  await ask('server mysql/db2 drain')
  await running.waitForOutput(/The rules could not be changed, and stay as they are: nft failed .*no luck today/)
  t.same(await shares(2), { db1: 1, db2: 1 }, 'they go on')
  write('max_connections: 3000')
  t.match(await reload(), /no luck today/)
  site.breakNft(null)
  await running.waitForOutput(/The rules are what they should be again/)
  t.same(await shares(2), { db1: 2 })
  t.ok(await client.say(session))
  await ask('server mysql/db2 ready')
  write()
  await isServing()
  await client.hangUp(session)
})

t.test('a listener moves to user space and back, with what is known of its servers', async (t) => {
  write('max_connections: 100', 'userspace')
  t.match(await reload(), /changed datapath, .*its sessions end/)
  await waitFor('user space to serve', async () => (await shares(2))['db1'] === 1)
  t.notOk((await pids('kernel')).length > 0 && (await hasTable()))
  write()
  t.match(await reload(), /changed datapath/)
  await waitFor('the kernel to serve', async () => (await shares(2))['db1'] === 1)
  t.ok(await hasTable())
  await isServing()
})

t.test('kill -9 of everything: the next start adopts', async (t) => {
  const { session } = await connect()
  await running.kill()
  for (const role of ['supervisor', 'kernel', 'director', 'vrrp']) {
    for (const pid of await pids(role)) process.kill(pid, 'SIGKILL')
  }
  t.ok(await hasTable())
  running = await start()
  await isServing()
  await waitFor('the session to be counted', async () => ((await show()).sessions ?? 0) >= 1)
  t.ok(await client.say(session))
  await client.hangUp(session)
})

t.test('SIGTERM leaves nothing', async (t) => {
  t.equal((await connect()).error, '')
  t.match(await running.stop(), { code: 0 })
  t.notOk(await hasTable())
  t.same(await entries(), [])
  t.equal(await sysctls(), untouched)
  t.equal((await lb.addresses()).length, 1)
})

t.test('a table of our name that somebody else made is not touched, and the start says so', async (t) => {
  await inLb('nft', 'add', 'table', 'inet', tableName)
  const refused = site.spawn()
  t.match(await refused.exited, { code: 1 })
  t.match(refused.lines().join('\n'), /there is a table inet balancer that this program did not make/)
  t.ok(await hasTable())
})
