// The http check over TLS against real agents with listen.tls, and HAProxy's check-ssl beside it against the same agents.

import { readFileSync, writeFileSync } from 'node:fs'
import { createServer as createTcpServer } from 'node:net'
import { join } from 'node:path'
import { createServer } from 'node:tls'
import t from 'tap'
import { checkSchema, type HttpCheckConfig } from '../../balancer/config/check-schema.ts'
import { createHttpProbe } from '../../balancer/health/checks/http.ts'
import { mustRun } from '../lab/command.ts'
import { createLab } from '../lab/lab.ts'
import { freePort } from '../lab/mariadb.ts'
import { agentProgram } from '../lab/programs.ts'
import { makeCertificates } from '../lab/server-root.ts'
import { waitFor } from '../lab/wait-for.ts'
import { startHaproxy, startOurs } from './sides.ts'

t.setTimeout(600_000)
const lab = await createLab({ name: 'check-tls' })
t.teardown(() => lab.destroy())
const certificates = await makeCertificates(lab)
const others = await makeCertificates(lab, 'others')
const file = (name: string): string => join(certificates, name)
const other = (name: string): string => join(others, name)
const signed = ['-CA', file('ca.crt'), '-CAkey', file('ca.key'), '-days', '-1', '-extfile', file('names')]
await mustRun('openssl', ['x509', '-req', '-in', file('server.csr'), ...signed, '-out', file('expired.crt')])
// HAProxy wants certificate and key in one file.
const bundle = (from: (name: string) => string): string => {
  const path = from('client.pem')
  writeFileSync(path, `${readFileSync(from('client.crt'), 'utf8')}${readFileSync(from('client.key'), 'utf8')}`)
  return path
}

/** An agent without a server: its own loop turns, and that is what is asked for. */
const startAgent = async (name: string, tls: string) => {
  const port = await freePort()
  const path = join(lab.directory, `${name}.yaml`)
  const configure = (more: string): void =>
    writeFileSync(
      path,
      `listen: { address: 127.0.0.1, port: ${port}${more} }
mysql: { socket: /nowhere/mysqld.sock }
force_fail_file: ${path}.off
`,
    )
  configure(tls)
  const process_ = lab.spawn(`agent-${name}`, process.execPath, [agentProgram, '--config', path])
  await process_.waitForOutput(/is running|Listening|listening/)
  return { port, configure, process: process_ }
}
const certified = (name: string, more = ''): string =>
  `, tls: { certificate: ${file(name)}, key: ${file('server.key')}${more} }`
const [secure, mutual, plain, expired] = await Promise.all([
  startAgent('secure', certified('server.crt')),
  startAgent('mutual', certified('server.crt', `, client_ca: ${file('ca.crt')}`)),
  startAgent('plain', ''),
  startAgent('expired', certified('expired.crt')),
])
const silent = createTcpServer((socket) => socket.on('error', () => undefined))
await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
t.teardown(() => silent.close())
const silentAt = silent.address()
const silentPort = typeof silentAt === 'object' ? (silentAt?.port ?? 0) : 0

const ca = file('ca.crt')
const own = { certificate: file('client.crt'), key: file('client.key') }
const foreign = { certificate: other('client.crt'), key: other('client.key') }
const verified = `check-ssl verify required ca-file ${ca} verifyhost db.test`

type Scenario = {
  readonly name: string
  readonly port: number
  readonly tls?: unknown
  /** What HAProxy's server line has for the same; absent where it has nothing like it. */
  readonly haproxy?: string
  readonly state: 'UP' | 'DOWN'
  /** Layer code, reason and words of ours. */
  readonly words: RegExp
}
const scenarios: readonly Scenario[] = [
  {
    name: 'verified',
    port: secure.port,
    tls: { ca },
    haproxy: verified,
    state: 'UP',
    words: /^L7OK ok: HTTP status 200/,
  },
  {
    name: 'by-name',
    port: secure.port,
    tls: { ca, server_name: 'db.test' },
    haproxy: `${verified} check-sni db.test`,
    state: 'UP',
    words: /^L7OK/,
  },
  {
    name: 'any-name',
    port: secure.port,
    tls: { ca, server_name: 'other.test', verify: 'ca' },
    haproxy: `check-ssl verify required ca-file ${ca}`,
    state: 'UP',
    words: /^L7OK/,
  },
  {
    name: 'unverified',
    port: secure.port,
    tls: { verify: false },
    haproxy: 'check-ssl verify none',
    state: 'UP',
    words: /^L7OK/,
  },
  {
    name: 'defaults',
    port: secure.port,
    tls: true,
    state: 'DOWN',
    words:
      /^L6RSP tls-failed: the certificate on port \d+ is of no authority that is known here \(Lab authority has\): write .* into tls\.ca of the check$/,
  },
  {
    name: 'wrong-ca',
    port: secure.port,
    tls: { ca: other('ca.crt') },
    haproxy: `check-ssl verify required ca-file ${other('ca.crt')}`,
    state: 'DOWN',
    words: /^L6RSP tls-failed: the ca of the check has not signed the certificate on port \d+/,
  },
  {
    name: 'wrong-name',
    port: secure.port,
    tls: { ca, server_name: 'other.test' },
    haproxy: `check-ssl verify required ca-file ${ca} verifyhost other.test`,
    state: 'DOWN',
    words:
      /^L6RSP tls-failed: .* is for another name \(DNS:db\.test, IP Address:127\.0\.0\.1\), not other\.test: .*tls\.server_name/,
  },
  {
    name: 'expired',
    port: expired.port,
    tls: { ca },
    haproxy: verified,
    state: 'DOWN',
    words: /^L6RSP tls-failed: the certificate on port \d+ expired on .* GMT: renew it there, then reload the agent$/,
  },
  {
    name: 'plain-check',
    port: secure.port,
    haproxy: '',
    state: 'DOWN',
    words: /^L7RSP invalid-answer: .*TLS.*: write tls into the check, or take listen\.tls out of agent\.yaml there$/,
  },
  {
    name: 'plain-agent',
    port: plain.port,
    tls: { ca },
    haproxy: verified,
    state: 'DOWN',
    words: /^L6RSP tls-failed: .* speaks no.*: take tls out of the check, or write listen\.tls into agent\.yaml there$/,
  },
  {
    name: 'mutual',
    port: mutual.port,
    tls: { ca, ...own },
    haproxy: `${verified} crt ${bundle(file)}`,
    state: 'UP',
    words: /^L7OK/,
  },
  {
    name: 'no-certificate',
    port: mutual.port,
    tls: { ca },
    haproxy: verified,
    state: 'DOWN',
    words: /^L6RSP tls-failed: port \d+ wants a certificate of the check: write certificate and key into its tls/,
  },
  {
    name: 'wrong-certificate',
    port: mutual.port,
    tls: { ca, ...foreign },
    haproxy: `${verified} crt ${bundle(other)}`,
    state: 'DOWN',
    words: /^L6RSP tls-failed: port \d+ refuses the certificate of the check: .* signed by listen\.tls\.client_ca/,
  },
  {
    name: 'silent',
    port: silentPort,
    tls: { ca },
    haproxy: verified,
    state: 'DOWN',
    words: /^L6TOUT timeout: port \d+ connects, but TLS did not stand within 1000 ms$/,
  },
  {
    name: 'nobody',
    port: await freePort(),
    tls: { ca },
    haproxy: verified,
    state: 'DOWN',
    words: /^L4CON agent-refused: nothing listens on port/,
  },
]

const ports = new Map<string, number>()
for (const { name } of scenarios) ports.set(name, await freePort())
const listenerOf = ({ name, port, tls }: Scenario) => ({
  name,
  bind: `127.0.0.1:${ports.get(name)}`,
  check: {
    type: 'http',
    ...{ port, path: '/liveness', interval: '200ms', timeout: '1s', rise: 1, fall: 1 },
    ...(tls === undefined ? {} : { tls }),
  },
  servers: [{ name: 'db', address: '127.0.0.1:1' }],
})
const place = { directory: lab.directory, spawn: lab.spawn }
const ours = await startOurs(place, scenarios.map(listenerOf), ports)
const inHaproxy = scenarios.filter(({ haproxy }) => haproxy !== undefined)
const haproxyPorts = new Map<string, number>()
for (const { name } of inHaproxy) haproxyPorts.set(name, await freePort())
const haproxy = await startHaproxy(
  place,
  inHaproxy.map(
    ({ name, port, haproxy: words = '' }) => `listen ${name}
  bind 127.0.0.1:${haproxyPorts.get(name)}
  option httpchk GET /liveness
  timeout check 1s
  server db 127.0.0.1:1 check port ${port} inter 200 rise 1 fall 1 ${words}`,
  ),
  haproxyPorts,
)

/** What was found last: `L7OK ok: …`. */
const found = async (name: string): Promise<string> => {
  const [server] = (await ours.show(name)).servers
  const last = server?.last_check
  return `${last?.status} ${last?.reason}: ${last?.text}`
}

for (const scenario of scenarios) {
  await t.test(`${scenario.name}: ${scenario.state}, in words that say what to change`, async (t) => {
    const { name, state, words } = scenario
    await waitFor(`${name} ${state}`, async () => (await ours.states(name))['db'] === state)
    // A machine that is busy may be too slow for one check; the next one says what it is.
    const said = await waitFor(
      `the words of ${name}`,
      async () => {
        const now = await found(name)
        return words.test(now) ? now : null
      },
      { limit: 30_000 },
    ).catch(() => found(name))
    t.match(said, words)
    if (scenario.haproxy === undefined) return
    await waitFor(`${name} ${state} on HAProxy`, async () => (await haproxy.states(name))['db'] === state)
    // It tells a certificate of the check that is refused by how the connection ended, which is not always the same.
    if (name.endsWith('-certificate')) return
    const code = said.replace(/ .*/, '')
    await waitFor(`${name} ${code} on HAProxy`, async () => {
      const row = (await haproxy.exchange('show stat')).split('\n').find((line) => line.startsWith(`${name},db,`))
      const shown = row?.split(',')[36]?.replace('* ', '')
      if (shown !== code) throw new Error(`HAProxy has ${shown}`)
      return true
    })
  })
}

/** A check as the director has it. */
const probeOf = (keys: object, directReturn: Parameters<typeof createHttpProbe>[2] = []) =>
  createHttpProbe('127.0.0.1', checkSchema.parse({ timeout: '20s', ...keys }) as HttpCheckConfig, directReturn)

t.test('the stream of an agent goes over TLS as well', async (t) => {
  const port = await freePort()
  const watched = { ...listenerOf({ name: 'watched', port: secure.port, tls: { ca }, state: 'DOWN', words: /./ }) }
  const listener = { ...watched, bind: `127.0.0.1:${port}`, check: { ...watched.check, path: '/' } }
  await ours.reload([...scenarios.map(listenerOf), listener])
  await waitFor('the stream', async () => (await ours.show('watched')).servers[0]?.watched === true)
  t.match(await found('watched'), /^L7STS server-unreachable|^L7STS [a-z-]+: /, 'with the reason of the report')
})

t.test('what the agent says of direct return is read over TLS', async (t) => {
  const probe = probeOf({ port: secure.port, path: '/liveness', tls: { ca } }, [
    { address: '198.18.0.100', port: 3306 },
  ])
  t.teardown(probe.close)
  t.match(await probe.run(), { status: 'L7STS', reason: 'not-prepared' })
})

t.test('a kept connection needs one handshake; one whose certificate has expired meanwhile is made anew', async (t) => {
  let handshakes = 0
  const pair = { cert: readFileSync(file('server.crt')), key: readFileSync(file('server.key')) }
  const server = createServer(pair, (socket) => {
    handshakes += 1
    socket.on('error', () => undefined)
    socket.on('data', () => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n'))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const address = server.address()
  const port = typeof address === 'object' ? (address?.port ?? 0) : 0
  const probe = probeOf({ port, tls: { ca }, interval: '1h' })
  for (let i = 0; i < 5; i += 1) t.match(await probe.run(), { status: 'L7OK' })
  t.equal(handshakes, 1)
  const [now, days] = [Date.now, 3 * 86_400_000]
  Date.now = () => now() + days
  t.match(await probe.run().finally(() => Object.assign(Date, { now })), { status: 'L7OK' })
  t.equal(handshakes, 2)
  probe.close()
})

t.test('files are read anew by a reload, on both sides; a pipe in their place changes nothing', async (t) => {
  const mine = join(lab.directory, 'check-ca.crt')
  writeFileSync(mine, readFileSync(ca))
  const listener = listenerOf({ name: 'verified', port: secure.port, tls: { ca: mine }, state: 'UP', words: /./ })
  await ours.reload([listener])
  await waitFor('it to be up', async () => (await ours.states('verified'))['db'] === 'UP')
  t.match(await ours.reload([listener]), /Nothing changed\./)
  secure.configure(`, tls: { certificate: ${other('server.crt')}, key: ${other('server.key')} }`)
  secure.process.signal('SIGHUP')
  await waitFor('the agent to have another certificate', async () => {
    const probe = probeOf({ port: secure.port, path: '/liveness', tls: { ca: other('ca.crt') } })
    const { passed } = await probe.run()
    probe.close()
    return passed
  })
  writeFileSync(mine, readFileSync(other('ca.crt')))
  t.match(await ours.reload([listener]), /tls files of the check of listener verified changed/)
  await waitFor('it to be up with the other authority', async () => /^L7OK/.test(await found('verified')))
  t.equal((await ours.states('verified'))['db'], 'UP')
  writeFileSync(mine, 'no certificate\n')
  t.match(await ours.reload([listener]), /check\.tls\.ca: the files cannot be used/)
  t.equal((await ours.states('verified'))['db'], 'UP')
})
