import { fileURLToPath } from 'node:url'
import t from 'tap'
import type { Host } from '../../../lab/host.ts'
import { createLab } from '../../../lab/lab.ts'
import type { LabProcess } from '../../../lab/lab-process.ts'
import { waitFor } from '../../../lab/wait-for.ts'
import { natRules } from './nat-rules.ts'
import { type CountsMessage, markOf, type Order } from './tracker-messages.ts'

type HeldSession = {
  readonly localPort: number
  readonly server: string | null
  readonly error: string | null
  readonly endedAt: number | null
}

const virtual = { ip: '198.18.0.100', ip6: '2001:2::100' }
const port = 3366
const programs = {
  acceptor: fileURLToPath(new URL('./acceptor-process.js', import.meta.url)),
  client: fileURLToPath(new URL('./client-process.js', import.meta.url)),
  tracker: fileURLToPath(new URL('./tracker-process.js', import.meta.url)),
}

t.setTimeout(600_000)
const lab = await createLab({ name: 'sessions' })
t.teardown(() => lab.destroy())
const addHost = async (name: string, number: number): Promise<Host> => {
  const host = await lab.addHost(name, `198.18.0.${number}/24`)
  await host.run('ip', ['address', 'add', `2001:2::${number}/64`, 'dev', 'eth0', 'nodad'])
  return host
}
const lb = await addHost('lb', 1)
/** The last server is on the balancer's own host. */
const servers = [await addHost('db1', 11), await addHost('db2', 12), await addHost('db3', 13), lb]
const clients = await addHost('client', 21)
for (const address of [`${virtual.ip}/32`, `${virtual.ip6}/128`])
  await lb.run('ip', ['address', 'add', address, 'dev', 'eth0', ...(address.includes(':') ? ['nodad'] : [])])
await lb.run('sysctl', [
  '-qw',
  'net.ipv4.conf.eth0.forwarding=1',
  'net.ipv4.conf.all.send_redirects=0',
  'net.ipv4.conf.eth0.send_redirects=0',
  'net.ipv6.conf.all.forwarding=1',
  'net.netfilter.nf_conntrack_acct=1',
  'net.netfilter.nf_conntrack_events=1',
  'net.netfilter.nf_conntrack_timestamp=1',
])
for (const host of [...servers, clients]) await host.run('sysctl', ['-qw', 'net.ipv4.ip_local_port_range=1024 65000'])
const rules = natRules(virtual, {
  ip: ['198.18.0.11', '198.18.0.12', '198.18.0.13', '198.18.0.1'],
  ip6: ['2001:2::11', '2001:2::12', '2001:2::13', '2001:2::1'],
})
const applied = await lb.run('nft', ['-f', '-'], { input: rules })
if (applied.code !== 0) throw new Error(applied.stderr)

const node = (host: Host, name: keyof typeof programs, ...words: readonly string[]): LabProcess =>
  host.spawn(name, process.execPath, [programs[name], ...words], { ipc: true })
/** Programs answer one thing at a time. */
const ask = <T>(asked: LabProcess, message: object): Promise<T> =>
  new Promise((resolve) => {
    answers.set(asked, (answer) => resolve(answer as T))
    asked.send(message as never)
  })
const answers = new Map<LabProcess, (answer: unknown) => void>()
const listen = (asked: LabProcess): LabProcess => {
  asked.onMessage((answer) => answers.get(asked)?.(answer))
  return asked
}
const startServer = async (host: Host): Promise<LabProcess> => {
  const server = listen(node(host, 'acceptor', host.name, '3306', '::'))
  await server.waitForOutput(/ready/)
  return server
}
const startTracker = async (...words: readonly string[]): Promise<LabProcess> => {
  const tracker = listen(node(lb, 'tracker', ...words))
  await tracker.waitForOutput(/"ready":true/)
  return tracker
}
const startClient = async (host: Host): Promise<LabProcess> => {
  const client = listen(node(host, 'client'))
  await client.waitForOutput(/ready/)
  return client
}
const order = (tracker: LabProcess, what: Order): Promise<CountsMessage> => ask(tracker, what)
const look = async (client: LabProcess): Promise<readonly HeldSession[]> =>
  (await ask<{ readonly held: readonly HeldSession[] }>(client, { do: 'look' })).held
const hold = async (client: LabProcess, count: number, host: string): Promise<readonly HeldSession[]> =>
  (await ask<{ readonly held: readonly HeldSession[] }>(client, { do: 'hold', count, host, port })).held

const acceptors = await Promise.all(servers.map(startServer))
let tracker = await startTracker()
const client = await startClient(clients)
const localClient = await startClient(lb)

t.test('totals are those of the clients at thousands of new connections a second', async (t) => {
  const before = await order(tracker, { do: 'count' })
  const loaded = await ask<{ finished: number; failed: number; millis: number }>(client, {
    do: 'load',
    count: 12_000,
    host: virtual.ip,
    port,
    rate: 5000,
  })
  t.equal(loaded.failed, 0)
  const counts = await waitFor('all sessions to be on record', async () => {
    // The kernel takes its time to remove an entry that has expired; a list does it at once.
    const now = await order(tracker, { do: 'recount' })
    return now.recorded === 12_000 ? now : undefined
  })
  t.match(counts.listeners, [{ sessions: 0, totalSessions: 12_000, ends: { closed: 12_000 } }])
  for (const server of counts.servers) t.match(server, { sessions: 0, totalSessions: 3000, connectFailures: 0 })
  t.equal(counts.overruns, 0)
  t.comment(
    `${Math.round(12_000_000 / loaded.millis)} connections a second, ${Math.round(counts.cpuMillis - before.cpuMillis)} ms of the tracker's time`,
  )
})

const endedHere: readonly (readonly [string, LabProcess, string, number])[] = [
  ['a client, IPv4', client, virtual.ip, 2],
  ['a client, IPv6', client, virtual.ip6, 2],
  ['a server on this host, IPv4', client, virtual.ip, 4],
  ['a server on this host, IPv6', client, virtual.ip6, 4],
  ['a client on this host, IPv4', localClient, virtual.ip, 2],
  ['a client on this host, IPv6', localClient, virtual.ip6, 2],
  ['both on this host, IPv4', localClient, virtual.ip, 4],
  ['both on this host, IPv6', localClient, virtual.ip6, 4],
]
for (const [what, held, address, number] of endedHere) {
  t.test(`the sessions of one server end, both sides are told, and all others go on: ${what}`, async (t) => {
    const name = servers[number - 1]?.name
    const meant = (await hold(held, 40, address)).filter(({ server }) => server === name).length
    t.ok(meant > 0)
    const before = Date.now()
    t.equal((await order(tracker, { do: 'end', mark: markOf(number) })).result, meant)
    const ended = await waitFor('its clients to hear it', async () => {
      const now = await look(held)
      return now.filter(({ error }) => error !== null).length >= meant ? now : undefined
    })
    for (const { server, error } of ended) t.equal(error, server === name ? 'ECONNRESET' : null)
    t.comment(`after ${Math.max(...ended.map(({ endedAt }) => endedAt ?? 0)) - before} ms`)
    await waitFor('the server to have heard it', async () => {
      const server = acceptors[number - 1]
      return server !== undefined && (await ask<{ open: number }>(server, {})).open === 0
    })
    await ask(held, { do: 'ping' })
    await waitFor('the others to be answered', async () =>
      (await look(held)).every(({ server, error }) => error !== null || server !== null),
    )
    await ask(held, { do: 'let-go' })
    await waitFor('all to have left', async () =>
      (await order(tracker, { do: 'count' })).servers.every(({ sessions }) => sessions === 0),
    )
  })
}

t.test('of random sets of sessions the right ones end, whatever server they are on', async (t) => {
  const held = await hold(client, 60, virtual.ip)
  const left = new Set(held.map(({ localPort }) => localPort))
  for (let round = 0; round < 4; round += 1) {
    const ports = [...left].filter(() => Math.random() < 0.3)
    const { result } = await order(tracker, { do: 'end', ports })
    t.equal(result, ports.length)
    for (const port of ports) left.delete(port)
    const ended = await waitFor('them to hear it', async () => {
      const now = await look(client)
      return now.filter(({ error }) => error !== null).length >= 60 - left.size ? now : undefined
    })
    for (const { localPort, error } of ended) t.equal(error, left.has(localPort) ? null : 'ECONNRESET')
  }
  await ask(client, { do: 'ping' })
  await waitFor('the others to be answered', async () =>
    (await look(client)).every(({ server, error }) => error !== null || server !== null),
  )
  await ask(client, { do: 'let-go' })
})

t.test('the clients of a server without power hear of it within a second of the call', async (t) => {
  const held = await hold(client, 40, virtual.ip)
  const db3 = servers[2]
  if (db3 === undefined) return
  await db3.cutLink()
  await ask(client, { do: 'ping' })
  const before = Date.now()
  const meant = held.filter(({ server }) => server === 'db3').length
  t.equal((await order(tracker, { do: 'end', mark: markOf(3) })).result, meant)
  const ended = await waitFor('the clients of db3 to hear it', async () => {
    const now = await look(client)
    return now.filter(({ error }) => error !== null).length >= meant ? now : undefined
  })
  ended.forEach(({ error }, i) => {
    t.equal(error, held[i]?.server === 'db3' ? 'ECONNRESET' : null)
  })
  t.comment(`after ${Math.max(...ended.map(({ endedAt }) => endedAt ?? 0)) - before} ms`)
  await ask(client, { do: 'let-go' })
})

t.test('attempts to reach it are failures after the limit, and withdrawn ones are balanced anew', async (t) => {
  const before = (await order(tracker, { do: 'count' })).servers.find(({ mark }) => mark === markOf(3))
  const hanging = hold(client, 4, virtual.ip)
  const counted = await waitFor('an attempt to be given up', async () => {
    const now = (await order(tracker, { do: 'count' })).servers.find(({ mark }) => mark === markOf(3))
    return (now?.connectFailures ?? 0) > (before?.connectFailures ?? 0) ? now : undefined
  })
  t.match(counted, { refusedConnects: 0 })
  const held = await hanging
  t.same([...new Set(held.map(({ error }) => error))], [null], 'their kernels asked again, and came to another server')
  await ask(client, { do: 'let-go' })
  const attempts = hold(client, 4, virtual.ip)
  await waitFor('an attempt to wait', async () => {
    const now = await order(tracker, { do: 'end-attempts', mark: markOf(3) })
    return now.result > 0
  })
  t.same(
    (await attempts).map(({ error }) => error),
    [null, null, null, null],
  )
  await ask(client, { do: 'let-go' })
})

t.test('a refused connect is a failure at once, and the client does not hear of it', async (t) => {
  await servers[2]?.restoreLink()
  await acceptors[1]?.kill()
  // Each server has its turn, but one that asks again out of turn may take that of this one.
  const counts = await waitFor('the refusal to be counted', async () => {
    const held = await hold(client, 4, virtual.ip)
    t.same(
      held.map(({ error }) => error),
      [null, null, null, null],
    )
    const now = (await order(tracker, { do: 'count' })).servers.find(({ mark }) => mark === markOf(2))
    return (now?.refusedConnects ?? 0) > 0 ? now : undefined
  })
  t.ok((counts?.connectFailures ?? 0) >= (counts?.refusedConnects ?? 0))
  if (servers[1] !== undefined) acceptors[1] = await startServer(servers[1])
  await ask(client, { do: 'let-go' })
})

t.test('events that were lost are noticed, and all is counted anew', async (t) => {
  await tracker.stop()
  tracker = await startTracker('4096')
  const held = await hold(client, 40, virtual.ip)
  t.equal(held.filter(({ error }) => error === null).length, 40)
  const stalled = order(tracker, { do: 'stall', millis: 2000 })
  await ask(client, { do: 'load', count: 200, host: virtual.ip, port, rate: 1000 })
  await stalled
  await tracker.waitForOutput(/More connections came than could be heard of/)
  const counts = await waitFor('those that live to be counted', async () => {
    const now = await order(tracker, { do: 'count' })
    return now.listeners[0]?.sessions === 40 ? now : undefined
  })
  t.ok(counts.overruns > 0)
  await ask(client, { do: 'let-go' })
  await waitFor('all to have left', async () => (await order(tracker, { do: 'count' })).listeners[0]?.sessions === 0)
})

t.test('without the capability it says what is missing', async (t) => {
  const words = ['--bounding-set', '-net_admin', '--inh-caps', '-net_admin', process.execPath, programs.tracker]
  const refused = await lb.run('setpriv', words)
  t.match(refused.stdout, /needs the capability net_admin/)
})
