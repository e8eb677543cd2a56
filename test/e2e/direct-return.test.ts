// Hosts that answer clients from an address of the balancers: prepared, looked at, undone, and repaired. The client's neighbour
// table stands in for a balancer: it says which host gets the frames.

import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { parseHealthReport } from '../../shared/health-report.ts'
import type { Host } from '../lab/host.ts'
import { openHostSockets } from '../lab/host-sockets.ts'
import { createLab } from '../lab/lab.ts'
import { agentProgram as program } from '../lab/programs.ts'
import { waitFor } from '../lab/wait-for.ts'

t.setTimeout(600_000)
const lab = await createLab({ name: 'e2e-direct-return' })
t.teardown(() => lab.destroy())

const [virtual, virtual6] = ['198.18.0.100', 'fd00:c6::100']
const table = 'mysqlchk_direct_return'

const [db1, db2, client] = await Promise.all([
  lab.addHost('db1', '198.18.0.11/24'),
  lab.addHost('db2', '198.18.0.12/24'),
  lab.addHost('client', '198.18.0.200/24'),
])
const six: Readonly<Record<string, string>> = { db1: 'fd00:c6::11', db2: 'fd00:c6::12', client: 'fd00:c6::200' }
for (const host of [db1, db2, client]) {
  await must(host, 'ip', ['address', 'add', `${six[host.name]}/64`, 'dev', 'eth0', 'nodad'])
}

async function must(host: Host, command: string, args: readonly string[], input?: string): Promise<string> {
  const { code, stdout, stderr } = await host.run(command, args, input === undefined ? {} : { input })
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} on ${host.name}: ${stderr}`)
  return stdout
}

const fileOf = (host: Host, name = 'agent'): string => join(lab.directory, host.name, `${name}.yaml`)
const runDirectory = (host: Host): string => join(lab.directory, host.name, 'run')
const configure = (host: Host, entries: string, name = 'agent'): void => {
  mkdirSync(dirname(fileOf(host, name)), { recursive: true })
  const text = `direct_return_directory: ${runDirectory(host)}\ndirect_return: [${entries}]\n`
  writeFileSync(fileOf(host, name), text)
}
const both = `{ address: ${virtual}, port: 3366 }, { address: '${virtual6}', port: 3366 }`
for (const host of [db1, db2]) configure(host, both)

type Ran = { readonly code: number | null; readonly said: string }
const command = async (
  host: Host,
  words: readonly string[],
  env?: Record<string, string>,
  name?: string,
): Promise<Ran> => {
  const all = [program, ...words, '--config', fileOf(host, name)]
  const { code, stdout, stderr } = await host.run(process.execPath, all, env === undefined ? {} : { env })
  return { code, said: stdout + stderr }
}
const directReturn = (host: Host, ...words: readonly string[]): Promise<Ran> =>
  command(host, ['direct-return', ...words])

/** All that direct return may change, byte for byte. */
const stateOf = async (host: Host): Promise<string> =>
  [
    await must(host, 'ip', ['address', 'show']),
    await must(host, 'nft', ['list', 'ruleset']),
    await must(host, 'sysctl', ['-a', '--pattern', '^net[.]ipv[46][.]conf[.]']),
    await must(host, 'ip', ['route', 'show', 'table', 'all']),
    await must(host, 'ip', ['-6', 'route', 'show', 'table', 'all']),
  ].join('\n')
/** Link-local addresses are complete, and so what a host looks like does not change by itself. */
await waitFor('settled hosts', async () => !/tentative/.test((await stateOf(db1)) + (await stateOf(db2))))
const untouched = new Map([
  [db1, await stateOf(db1)],
  [db2, await stateOf(db2)],
])
const isUntouched = async (t: Test, host: Host, text: string): Promise<void> => {
  t.equal(await stateOf(host), untouched.get(host), text)
}

const macOf = async (host: Host): Promise<string> =>
  /link\/ether (\S+)/.exec(await must(host, 'ip', ['link', 'show', 'eth0']))?.[1] ?? ''
/** The client's frames for the address go there from now on. */
const balanceTo = async (host: Host): Promise<void> => {
  const mac = await macOf(host)
  for (const address of [virtual, virtual6]) {
    await must(client, 'ip', ['neigh', 'replace', address, 'lladdr', mac, 'dev', 'eth0', 'nud', 'permanent'])
  }
}
const balanceToNobody = async (): Promise<void> => {
  for (const address of [virtual, virtual6]) await client.run('ip', ['neigh', 'delete', address, 'dev', 'eth0'])
}

const sockets = new Map([db1, db2, client].map((host) => [host, openHostSockets(host)]))
const socketsOf = (host: Host) => {
  const found = sockets.get(host)
  if (found === undefined) throw new Error(`no sockets of ${host.name}`)
  return found
}
/** A server that says its host's name and then what it hears. */
const serve = async (host: Host, port = 3306) => {
  const open = new Set<Socket>()
  const server = await socketsOf(host).listen({ address: '::', port })
  server.on('connection', (socket) => {
    open.add(socket)
    socket.on('error', () => undefined).on('close', () => open.delete(socket))
    socket.write(`${host.name} ${(socket.remoteAddress ?? '').replace('::ffff:', '')}\n`)
    socket.pipe(socket)
  })
  return {
    /** Its process is gone: sessions are reset, who comes is refused. */
    die: () => {
      server.close()
      for (const socket of open) socket.resetAndDestroy()
    },
  }
}
/** What the server says to who connects from the client's host. */
const greeting = async (address = virtual, port = 3366, from = client): Promise<string> => {
  const socket = await socketsOf(from).connect({ address, port })
  const said = await next(socket)
  socket.destroy()
  return said
}
const next = (socket: Socket): Promise<string> =>
  new Promise((resolve, reject) => {
    socket.once('data', (chunk) => resolve(String(chunk).trim()))
    socket.once('error', reject)
    socket.once('close', () => reject(new Error('closed')))
  })

await t.test('status tells what is missing, and fails', async (t) => {
  const { code, said } = await directReturn(db1, 'status')
  t.equal(code, 1)
  t.match(said, /^198\.18\.0\.100:3366 +NOT READY +3306 +not known\n {2}missing: 198\.18\.0\.100 is not on lo$/m)
  t.match(said, /missing: eth0 answers ARP for it: arp_ignore is 0/)
  t.match(said, /Now, once: mysqlchk-agent direct-return up/)
  await isUntouched(t, db1, 'a look changes nothing')
})

await t.test('up prepares, down undoes all of it, byte for byte', async (t) => {
  for (const up of await Promise.all([db1, db2].map((host) => directReturn(host, 'up')))) {
    t.match(up, { code: 0, said: /Prepared for direct return/ }, up.said)
  }
  t.match(await directReturn(db1, 'status'), { code: 0, said: /:3366 +ready/ })
  const again = await directReturn(db1, 'up')
  t.match(again, { code: 0, said: /^Prepared/ }, 'up once more has nothing to do')
  const down = await directReturn(db1, 'down')
  t.match(down, { code: 0, said: /This host is as it was\.\n$/ }, down.said)
  await isUntouched(t, db1, 'as before')
  t.same(readdirSync(runDirectory(db1)), [], 'nothing is remembered')
  t.match(await directReturn(db1, 'down'), { code: 0, said: 'There was nothing to undo.\n' })

  t.comment('an address that is on lo already, as scripts for LVS put it there: it is enough, and stays')
  const byHand = [`${virtual}/32`, 'dev', 'lo']
  await must(db1, 'ip', ['address', 'add', ...byHand, 'label', 'lo:0'])
  const beside = await directReturn(db1, 'up')
  t.match(beside, { code: 0 }, beside.said)
  t.match(await directReturn(db1, 'down'), { code: 0, said: /This host is as it was\.\n$/ })
  t.match(await must(db1, 'ip', ['address', 'show', 'dev', 'lo']), /198\.18\.0\.100\/32 .*lo:0/)
  await must(db1, 'ip', ['address', 'delete', ...byHand])
  await isUntouched(t, db1, 'as before')
  t.match(await directReturn(db1, 'up'), { code: 0 })
})

await t.test('nobody answers for the address, but for hosts own addresses', async (t) => {
  await balanceToNobody()
  t.not((await client.run('ping', ['-c', '1', '-W', '1', virtual])).code, 0)
  t.not((await client.run('ping', ['-c', '1', '-W', '1', virtual6])).code, 0)
  t.match(await must(client, 'ip', ['neigh', 'show', virtual]), /FAILED|INCOMPLETE/)
  t.match(await must(client, 'ip', ['neigh', 'show', virtual6]), /FAILED|INCOMPLETE/)
  t.equal((await client.run('ping', ['-c', '1', '-W', '5', db1.address])).code, 0)
})

let first: Awaited<ReturnType<typeof serve>>

await t.test(
  'frames for the address are answered by the host that gets them, whatever the port of its server',
  async (t) => {
    first = await serve(db1)
    await serve(db2)
    for (const host of [db1, db2]) {
      await balanceTo(host)
      t.equal(await greeting(), `${host.name} ${client.address}`, 'the server sees the client')
      t.equal(await greeting(virtual6), `${host.name} ${six['client']}`)
      t.match(await greeting(virtual, 3366, host), new RegExp(`^${host.name} `), 'so is a client on the host itself')
      t.match(await greeting(virtual6, 3366, host), new RegExp(`^${host.name} `))
    }
  },
)

await t.test('ports that are equal need no redirect, and two ports may share an address', async (t) => {
  configure(db2, `${both}, { address: ${virtual}, port: 3307, server_port: 3306 }, { address: ${virtual}, port: 3306 }`)
  t.match(await directReturn(db2, 'up'), { code: 0 })
  await balanceTo(db2)
  for (const port of [3306, 3307, 3366]) t.match(await greeting(virtual, port), /^db2 /, `${port}`)
  t.equal((await must(db2, 'ip', ['address', 'show', 'dev', 'lo'])).split(virtual).length, 2, 'once on lo')
  configure(db2, `{ address: ${virtual}, port: 3306 }`)
  t.match(await directReturn(db2, 'up'), { code: 0 })
  t.notMatch(await must(db2, 'nft', ['list', 'table', 'inet', table]), /type nat/, 'and no NAT at all')
  t.notMatch(await must(db2, 'ip', ['address', 'show', 'dev', 'lo']), virtual6, 'what is not wanted any more is gone')
  t.match(await greeting(virtual, 3306), /^db2 /)
  configure(db2, both)
  t.match(await directReturn(db2, 'up'), { code: 0 })
})

await t.test('a session lives through all changes of the rules', async (t) => {
  await balanceTo(db2)
  const socket = await socketsOf(client).connect({ address: virtual, port: 3366 })
  t.match(await next(socket), /^db2 /)
  configure(db2, `${both}, { address: ${virtual}, port: 3399 }`)
  t.match(await directReturn(db2, 'up'), { code: 0 })
  configure(db2, both)
  t.match(await directReturn(db2, 'up'), { code: 0 })
  const echo = next(socket)
  socket.write('still here\n')
  t.equal(await echo, 'still here')
  socket.destroy()
})

for (const address of [virtual, virtual6]) {
  await t.test(`${address}: a server that is not there refuses nobody, and resets who has a session`, async (t) => {
    await balanceTo(db1)
    const session = await socketsOf(client).connect({ address, port: 3366 })
    t.match(await next(session), /^db1 /)
    const reset = next(session)
    first.die()
    await t.rejects(reset, { code: 'ECONNRESET' }, 'the reset of a session passes')
    await t.rejects(greeting(db1.address, 3306), /ECONNREFUSED/, 'its own address refuses as ever')
    await t.rejects(greeting(address, 3366, db1), /ECONNREFUSED/, 'and so does it for clients on the host itself')

    let outcome = ''
    const newcomer = greeting(address).then(
      (said) => {
        outcome = said
      },
      (error) => {
        outcome = String(error)
      },
    )
    await sleep(300)
    t.equal(outcome, '', 'it is not refused')
    await balanceTo(db2)
    await newcomer
    t.match(outcome, /^db2 /, 'and asks again, where another host answers')
    first = await serve(db1)
  })
}

await t.test(
  'an address that a balancer on this host has by a lease is its own, and both can come and go',
  async (t) => {
    await balanceToNobody()
    await must(db1, 'ip', ['address', 'add', `${virtual}/24`, 'dev', 'eth0', 'valid_lft', '60', 'preferred_lft', '60'])
    t.match(await directReturn(db1, 'up'), { code: 0 })
    t.match(await command(db1, ['check']), { code: 0 }, 'no mistake')
    t.match(await greeting(), /^db1 /, 'it answers ARP for it now')
    t.match(await directReturn(db1, 'down'), { code: 0 })
    t.match(await must(db1, 'ip', ['address', 'show', 'dev', 'eth0']), `${virtual}/24`, 'the lease is not touched')
    t.match(await directReturn(db1, 'up'), { code: 0 })
    await must(db1, 'ip', ['address', 'delete', `${virtual}/24`, 'dev', 'eth0'])
    t.match(await directReturn(db1, 'status'), { code: 0 })
    await balanceTo(db1)
    t.match(await greeting(), /^db1 /, 'the address on lo is there without it')
  },
)

await t.test('an address that this host has for good is a mistake, and so are others', async (t) => {
  await must(db1, 'ip', ['address', 'add', '198.18.0.77/24', 'dev', 'eth0'])
  configure(
    db1,
    `{ address: 198.18.0.77, port: 3306 }, { address: 127.0.0.1, port: 3306 }, { address: 224.0.0.18, port: 3306 },
  { address: FD00:C6:0::100, port: 3306 }, { address: 'fd00:c6::100', port: 3306 }, { address: db, port: 0 }, { address: 0.0.0.0, port: 1 }`,
  )
  const { code, said } = await command(db1, ['check'])
  t.equal(code, 78)
  for (const words of [
    /direct_return\[0\]\.address: 198\.18\.0\.77 is an address of this host itself, on eth0; write the virtual address/,
    /direct_return\[1\]\.address: 127\.0\.0\.1 is a loopback address/,
    /direct_return\[2\]\.address: 224\.0\.0\.18 is a multicast address; write the address of a listener/,
    /direct_return\[4\]\.port: 3306 of fd00:c6::100 is written twice \(direct_return\[3\]\)/,
    /direct_return\[5\]\.address: found "db"; write the address of a listener/,
    /direct_return\[5\]\.port: found 0; allowed are the whole numbers 1 to 65535/,
    /direct_return\[6\]\.address: 0\.0\.0\.0 stands for every address/,
  ]) {
    t.match(said, words)
  }
  await must(db1, 'ip', ['address', 'delete', '198.18.0.77/24', 'dev', 'eth0'])
  t.match(await directReturn(db1, 'down'), { code: 0, said: /as it was/ }, 'all is undone whatever the file says now')
  await isUntouched(t, db1, 'as before')
  configure(db1, both)
})

await t.test('killed in the middle of up, all is undone, or completed', async (t) => {
  const fakes = join(lab.directory, 'fakes')
  for (const [name, at] of [
    ['ip', 'address'],
    ['nft', '-f'],
  ] as const) {
    const folder = join(fakes, name)
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, name), `#!/bin/sh\n[ "$1" = ${at} ] && kill -9 $PPID\nexec /usr/sbin/${name} "$@"\n`)
    chmodSync(join(folder, name), 0o755)
    const env = { PATH: `${folder}:${process.env['PATH']}` }
    t.equal((await command(db1, ['direct-return', 'up'], env)).code, null, `killed before ${name}`)
    t.not(await stateOf(db1), untouched.get(db1), 'something is in place')
    if (name === 'nft') t.match(await directReturn(db1, 'up'), { code: 0, said: /Prepared/ }, 'up goes on')
    t.match(await directReturn(db1, 'down'), { code: 0 })
    await isUntouched(t, db1, `${name}: all is undone`)
  }
})

await t.test('a table of that name that somebody else made is not touched', async (t) => {
  await must(db1, 'nft', [`table inet ${table} { chain theirs { tcp dport 1 accept; }; }`])
  const up = await directReturn(db1, 'up')
  t.match(up, { code: 1, said: /is not ours and is not touched; remove it with nft delete table inet/ })
  t.match(await directReturn(db1, 'down'), { code: 0 })
  t.match(await must(db1, 'nft', ['list', 'table', 'inet', table]), /chain theirs/)
  await must(db1, 'nft', ['delete', 'table', 'inet', table])
  await isUntouched(t, db1, 'as before')
})

const watchOf = async (host: Host, name = 'watch') => {
  const watching = host.spawn(name, process.execPath, [
    program,
    'direct-return',
    'up',
    '--watch',
    '--config',
    fileOf(host),
  ])
  await watching.waitForOutput(/this host is kept prepared/)
  return watching
}
/** What the agent tells of the entries, as `ready` or what is missing. */
const told = async (host: Host) => {
  const { said } = await command(host, ['once', '--json', '--path', '/status'])
  const parsed = parseHealthReport(said)
  if (!parsed.ok) throw new Error(`${parsed.reason}: ${said}`)
  return parsed.report
}
await t.test('the agent tells it, without any right, and what to run', async (t) => {
  t.match(await told(db1), {
    direct_return: [
      {
        address: virtual,
        port: 3366,
        ready: false,
        missing: [/nothing is prepared here; run mysqlchk-agent direct-return up --watch/],
        bytes_out: null,
      },
      { address: virtual6, ready: false },
    ],
    warnings: [/^not prepared for direct return: 198\.18\.0\.100:3366 \(and 1 more\): nothing is prepared here/],
  })
  const watching = await watchOf(db1)
  await balanceTo(db1)
  await greeting()
  const file = join(runDirectory(db1), 'agent.status.json')
  await waitFor('a count', () => /"bytes": [1-9]/.test(readFileSync(file, 'utf8')))
  const report = await told(db1)
  t.match(report, { direct_return: [{ ready: true }, { ready: true }], warnings: [] })
  t.ok((report.direct_return?.[0]?.bytes_out ?? 0) > 0)
  t.match(await directReturn(db1, 'status', '--json'), { code: 0, said: /"keeper": \d+/ })
  t.match(await directReturn(db1, 'down'), { code: 1, said: /process \d+ would put it back in place; run: kill \d+/ })
  t.match(await directReturn(db1, 'up'), { code: 1, said: /looks after it already/ })
  await watching.kill()
  t.match(
    (await told(db1)).direct_return,
    [{ ready: true }, { ready: true }],
    'a keeper that is killed is started again, and nothing is gone',
  )
  t.match(await directReturn(db1, 'down'), { code: 0 }, 'a dead one is in nobody its way')
  await isUntouched(t, db1, 'as before')
})

await t.test('whatever somebody takes away is put in place again, and said once', async (t) => {
  const watching = await watchOf(db1, 'repairs')
  const whole = await stateOf(db1)
  const withoutCounts = (text: string): string => text.replace(/\b(packets|bytes) \d+/g, '')
  const isWhole = () =>
    waitFor('the repair', async () => withoutCounts(await stateOf(db1)) === withoutCounts(whole), { interval: 250 })
  const lines = (pattern: RegExp) => watching.lines().filter((line) => pattern.test(line)).length
  const unsilence = () =>
    must(db1, 'sysctl', ['-qw', 'net.ipv4.conf.eth0.arp_ignore=0', 'net.ipv4.conf.eth0.arp_announce=0'])
  await must(db1, 'nft', ['flush', 'ruleset'])
  await must(db1, 'ip', ['address', 'delete', `${virtual}/32`, 'dev', 'lo'])
  await must(db1, 'ip', ['address', 'delete', `${virtual6}/128`, 'dev', 'lo'])
  await unsilence()
  await isWhole()
  await must(db1, 'nft', ['flush', 'chain', 'inet', table, 'postrouting'])
  await unsilence()
  await isWhole()
  t.equal(lines(/Put in place again: arp_ignore of eth0 is 1/), 1)
  t.equal(lines(/Put in place again: 198\.18\.0\.100 is on lo/), 1)
  t.equal(lines(/Put in place again: the rules are in/), 1)

  // Another interface faces another address, and is made anew.
  const wire = async (): Promise<void> => {
    await must(db1, 'ip', ['link', 'add', 'eth1', 'type', 'veth', 'peer', 'name', 'peer1'])
    await must(db1, 'ip', ['address', 'add', '198.18.1.11/24', 'dev', 'eth1'])
    for (const device of ['peer1', 'eth1']) await must(db1, 'ip', ['link', 'set', device, 'up'])
  }
  await wire()
  configure(db1, `${both}, { address: 198.18.1.100, port: 3306 }`)
  watching.signal('SIGHUP')
  await watching.waitForOutput(/Reloaded, the new configuration is in use/)
  const ignores = () => must(db1, 'sysctl', ['-n', 'net.ipv4.conf.eth1.arp_ignore'])
  t.equal(await ignores(), '1\n')
  await must(db1, 'ip', ['link', 'delete', 'eth1'])
  await wire()
  t.ok(await waitFor('silence', async () => (await ignores()) === '1\n'))

  writeFileSync(fileOf(db1), 'direct_return: nonsense\n')
  watching.signal('SIGHUP')
  await watching.waitForOutput(/Not reloaded, the old configuration stays/)
  await watching.stop()
  t.match(watching.lines().join('\n'), /everything stays in place; mysqlchk-agent direct-return down .* undoes it/)
  configure(db1, both)
  await must(db1, 'ip', ['link', 'delete', 'eth1'])
  t.match(
    await must(db1, 'ip', ['address', 'show', 'dev', 'lo']),
    virtual,
    'by hand, the end of the keeper undoes nothing',
  )
  t.match(await directReturn(db1, 'down'), { code: 0 })
  await isUntouched(t, db1, 'as before')
})

await t.test('two configurations of a host share what both need, and the last one undoes it', async (t) => {
  configure(db1, `{ address: ${virtual}, port: 3366 }`)
  configure(db1, `{ address: ${virtual}, port: 3307 }`, '3307')
  const other = (...words: readonly string[]) => command(db1, ['direct-return', ...words], undefined, '3307')
  t.match(await directReturn(db1, 'up'), { code: 0 })
  t.match(await other('up'), { code: 0 })
  t.match(await directReturn(db1, 'down'), { code: 0 })
  t.match(await other('status'), { code: 0 }, 'the other one has all it needs')
  await balanceTo(db1)
  t.match(await greeting(virtual, 3307), /^db1 /)
  t.match(await other('down'), { code: 0 })
  await isUntouched(t, db1, 'as before')
  configure(db1, both)
})

await t.test('without root, and with nothing to prepare, it says what it takes', async (t) => {
  const dropped = ['--reuid', 'nobody', '--clear-groups', '--bounding-set=-all', '--']
  const asNobody = (...words: readonly string[]) =>
    db1.run('setpriv', [...dropped, process.execPath, program, 'direct-return', ...words, '--config', fileOf(db1)])
  t.match((await asNobody('status')).stdout, /missing: nft failed: .*it takes root, or CAP_NET_ADMIN/)
  t.match(
    await asNobody('up', '--watch'),
    { code: 1, stdout: /EACCES: permission denied/ },
    'nobody can keep it prepared without a right',
  )
  configure(db1, '')
  t.match(await directReturn(db1, 'up'), { code: 78, said: /has no direct_return: there is nothing to prepare/ })
  configure(db1, both)
  t.match(await directReturn(db2, 'down'), { code: 0 })
  await isUntouched(t, db2, 'as before')
})
