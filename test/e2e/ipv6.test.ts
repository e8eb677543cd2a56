// A pair of balancers whose virtual address, listeners of both datapaths, status page and servers are IPv6, and a listener
// with both families mixed.

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { z } from 'zod'
import { hashPassword } from '../../balancer/config/password-file.ts'
import type { Host } from '../lab/host.ts'
import { createLab } from '../lab/lab.ts'
import { balancerProgram as program } from '../lab/programs.ts'
import { waitFor } from '../lab/wait-for.ts'
import { ask } from './sides.ts'

t.setTimeout(600_000)
const lab = await createLab({ name: 'e2e-ipv6' })
t.teardown(() => lab.destroy())
const virtual = '2001:2::100'

const addHost = async (name: string, last: number): Promise<Host> => {
  const host = await lab.addHost(name, `198.18.0.${last}/24`)
  await host.run('ip', ['address', 'add', `2001:2::${last}/64`, 'dev', 'eth0', 'nodad'])
  return host
}
const [lb1, lb2] = [await addHost('lb1', 2), await addHost('lb2', 3)]
const [db1, db2, client] = [await addHost('db1', 11), await addHost('db2', 12), await addHost('client', 200)]

/** Greets with the name of its host and says everything back, to whatever family. */
const server = `
const greet = (socket) => socket.on('error', () => {}).pipe(socket).write(process.argv[1] + '\\n')
require('node:net').createServer(greet).listen(3306, '::', () => console.log('ready'))`
for (const host of [db1, db2]) {
  await host.spawn('server', process.execPath, ['-e', server, host.name]).waitForOutput(/ready/)
}

const passwordFile = join(lab.directory, 'status.password')
writeFileSync(passwordFile, await hashPassword('open-sesame'), { mode: 0o600 })
const fileOf = ({ name }: Host): string => join(lab.directory, `${name}.yaml`)
const socketOf = ({ name }: Host): string => join(lab.directory, `${name}.sock`)
const start = async (host: Host, priority: number) => {
  const check = [
    { type: 'tcp', interval: '200ms' },
    { type: 'icmp', interval: '200ms' },
  ]
  const config = {
    router_id: host.name,
    vrrp: {
      instances: [
        {
          ...{ name: 'VI_6', interface: 'eth0', virtual_router_id: 51, version: 3, priority },
          ...{ advertisement_interval: '1s', virtual_addresses: [`${virtual}/64`] },
        },
      ],
    },
    listeners: [
      {
        ...{ name: 'six', bind: `[2001:0002:0::0100]:3306`, check },
        servers: [
          { name: 'db1', address: '[2001:2::11]:3306' },
          { name: 'db2', address: '[2001:2::12]:3306' },
        ],
      },
      {
        ...{ name: 'mixed', bind: [`${host.address}:3307`, '[::]:3308'], check },
        access: { allow: ['198.18.0.200', '2001:2::200'] },
        servers: [
          { name: 'db1', address: '[2001:2::11]:3306' },
          { name: 'db2', address: '198.18.0.12:3306' },
        ],
      },
      {
        ...{ name: 'rules', bind: `[${virtual}]:3309`, datapath: 'kernel', check },
        access: { allow: ['198.18.0.0/24', '2001:2::200'] },
        servers: [
          { name: 'db1', address: '[2001:2::11]:3306' },
          { name: 'db2', address: '[2001:2::12]:3306' },
        ],
      },
    ],
    admin: {
      socket: socketOf(host),
      http: { bind: `[${virtual}]:8888`, users: [{ name: 'admin', password_file: passwordFile }] },
    },
  }
  writeFileSync(fileOf(host), JSON.stringify(config), { mode: 0o600 })
  // What a host remembers is its own.
  const remembered = join(lab.directory, `${host.name}-run`)
  mkdirSync(remembered)
  const env = { RUNTIME_DIRECTORY: remembered }
  const balancer = host.spawn('balancer', process.execPath, [program, '--config', fileOf(host)], { env })
  await balancer.waitForOutput(/Balancer is running/)
  return balancer
}
const balancers = { lb1: await start(lb1, 101), lb2: await start(lb2, 100) }

const shown = z.array(
  z.object({
    binds: z.array(z.object({ address: z.string(), open: z.boolean() })),
    ends: z.record(z.string(), z.number()),
    servers: z.array(z.object({ address: z.string(), up: z.boolean(), total_sessions: z.number().nullable() })),
  }),
)
const show = async (host: Host, listener: number) => {
  const found = shown.parse(JSON.parse(await ask(socketOf(host), 'show servers --json')))[listener]
  if (found === undefined) throw new Error('no such listener')
  return found
}
const untilHeldBy = (host: Host): Promise<unknown> =>
  waitFor(`${host.name} to hold ${virtual}`, async () =>
    (await host.addresses()).some((one) => one.startsWith(virtual)),
  )

/** A session that goes on speaking, and says what it hears and how it ends; with `again` many short ones, one after the other. */
const speaker = `
const [host, port, again] = process.argv.slice(1)
let [sessions, cut, failed] = [0, 0, 0]
const open = () => {
  const socket = require('node:net').connect(Number(port), host)
  let isConnected = false
  socket.once('connect', () => { isConnected = true })
  socket.on('error', (error) => { isConnected ? cut += 1 : failed += 1; console.log('over', error.code) })
  socket.on('end', () => console.log('over'))
  if (again) {
    socket.once('data', () => { sessions += 1; socket.destroy() })
    socket.once('close', () => { console.log('sessions', sessions, 'cut', cut, 'failed', failed); setTimeout(open, 20) })
  } else {
    socket.on('data', (data) => console.log('heard', String(data).trim()))
    setInterval(() => socket.write('me again\\n'), 100)
  }
}
open()`
const speak = (from: Host, host: string, port: number, ...again: readonly string[]) =>
  from.spawn('speaker', process.execPath, ['-e', speaker, host, String(port), ...again])

await t.test(
  'clients of a virtual IPv6 address reach IPv6 servers, and its names are the same everywhere',
  async (t) => {
    await untilHeldBy(lb1)
    await waitFor('both servers up', async () => (await show(lb1, 0)).servers.every(({ up }) => up))
    const session = speak(client, virtual, 3306)
    await session.waitForOutput(/heard db[12]/)
    await session.kill()
    const listener = await show(lb1, 0)
    t.match(listener, {
      binds: [{ address: '[2001:2::100]:3306', open: true }],
      servers: [{ address: '[2001:2::11]:3306' }, { address: '[2001:2::12]:3306' }],
    })
    await balancers.lb1.waitForOutput(/Listener six is open on \[2001:2::100\]:3306/)
    await balancers.lb1.waitForOutput(/Status page is open on \[2001:2::100\]:8888/)
    t.match((await show(lb2, 0)).binds, [{ address: '[2001:2::100]:3306', open: false }])
    const url = `http://[${virtual}]:8888/status/json`
    const page = await client.run('curl', ['-sSg', '-u', 'admin:open-sesame', url])
    t.match(JSON.parse(page.stdout), { router_id: 'lb1', vrrp: [{ state: 'master', family: 'ipv6' }] })
  },
)

await t.test(
  '[::] takes both families, servers may be of the other one, and access lists tell clients apart',
  async (t) => {
    for (const [host, port] of [
      ['198.18.0.2', 3307],
      ['198.18.0.2', 3308],
      ['2001:2::2', 3308],
      [virtual, 3308],
    ] as const) {
      const session = speak(client, host, port)
      await session.waitForOutput(/heard db[12]/)
      await session.kill()
    }
    const { servers, binds } = await show(lb1, 1)
    t.match(binds, [{ address: '198.18.0.2:3307' }, { address: '[::]:3308' }])
    await waitFor('both servers to be counted', async () =>
      (await show(lb1, 1)).servers.every(({ total_sessions: count }) => (count ?? 0) > 0),
    )
    t.match(servers, [{ address: '[2001:2::11]:3306' }, { address: '198.18.0.12:3306' }])
    for (const host of ['198.18.0.2', '2001:2::2']) {
      const stranger = speak(db1, host, 3308)
      await stranger.waitForOutput(/over ECONNRESET/)
      await stranger.kill()
    }
    await waitFor('both to be counted', async () => (await show(lb1, 1)).ends['denied'] === 2)
  },
)

await t.test('the kernel forwards a virtual IPv6 address, and turns away who is not on the list', async (t) => {
  await waitFor('the rules', async () => (await show(lb1, 2)).servers.every(({ up }) => up))
  const session = speak(client, virtual, 3309)
  await session.waitForOutput(/heard db[12]/)
  await session.waitForOutput(/heard me again/)
  await session.kill()
  await waitFor('it to be counted', async () =>
    (await show(lb1, 2)).servers.some(({ total_sessions: count }) => (count ?? 0) > 0),
  )
  t.match((await show(lb1, 2)).binds, [{ address: '[2001:2::100]:3309', open: true }])
  const stranger = speak(db1, virtual, 3309)
  await stranger.waitForOutput(/over ECONN/)
  await stranger.kill()
})

await t.test('a program that takes over goes on with the sockets of both families, and with the rules', async (t) => {
  const sessions = [speak(client, virtual, 3306), speak(client, virtual, 3309)]
  for (const session of sessions) await session.waitForOutput(/heard db[12]/)
  t.match(await lb1.run(process.execPath, [program, 'reexec', '--config', fileOf(lb1)]), { code: 0 })
  for (const [host, port] of [
    [virtual, 3306],
    [virtual, 3308],
    ['198.18.0.2', 3308],
    [virtual, 3309],
  ] as const) {
    const next = speak(client, host, port)
    await next.waitForOutput(/heard db[12]/)
    await next.kill()
  }
  for (const session of sessions) {
    const before = session.lines().length
    await waitFor('the session to go on', () => session.lines().length > before + 3)
    t.notMatch(session.lines().join('\n'), /over/)
    await session.kill()
  }
})

await t.test('a hand-over fails no new connection, and only sessions that are open end with the address', async (t) => {
  const session = speak(client, virtual, 3306)
  await session.waitForOutput(/heard db[12]/)
  const many = [3306, 3309].map((port) => speak(client, virtual, port, 'again'))
  for (const one of many) await one.waitForOutput(/sessions 10 /)
  const { code, stderr } = await lb1.run(process.execPath, [
    program,
    ...['vrrp', 'VI_6', 'handover', '--config', fileOf(lb1)],
  ])
  t.match({ code, stderr }, { code: 0 })
  await untilHeldBy(lb2)
  await session.waitForOutput(/over ECONNRESET/)
  await balancers.lb1.waitForOutput(/Listener six is closed on \[2001:2::100\]:3306/)
  for (const [i, one] of many.entries()) {
    await waitFor('sessions of the other balancer', async () =>
      (await show(lb2, i * 2)).servers.some(({ total_sessions: count }) => (count ?? 0) > 10),
    )
    // There is one at a time, and a server may not have greeted it yet when the address leaves.
    const counted = one.lines().findLast((line) => line.startsWith('sessions '))
    t.match(counted, / cut [01] failed 0$/)
  }
})
