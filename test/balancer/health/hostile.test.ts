// Servers that send what keeps a reader busy: each check ends with few bytes read, and this process has time for the rest.

import { createServer, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { agentCheckSchema } from '../../../balancer/config/check-schema.ts'
import { listenerSchema } from '../../../balancer/config/listener-schema.ts'
import { createAgentCheckProbe } from '../../../balancer/health/checks/agent-check.ts'
import type { CheckResult } from '../../../balancer/health/core/result.ts'
import { startProbes } from '../../../balancer/health/probes.ts'

/** A server that goes on and on; how much of it was taken. */
const endless = async (t: Test, first: Buffer, more: Buffer) => {
  const sockets = new Set<Socket>()
  let written = 0
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.resume()
    socket.write(first)
    const write = (): void => {
      while (!socket.destroyed) {
        written += more.length
        if (!socket.write(more)) return void socket.once('drain', write)
      }
    }
    write()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  return { port, written: () => written }
}

/** The first result of a check, as it is made by the director. */
const firstResult = (t: Test, port: number, keys: object): Promise<CheckResult | 'late'> => {
  const config = listenerSchema.parse({
    name: 'mysql',
    bind: '127.0.0.1:1',
    servers: [{ name: 'db', address: `127.0.0.1:${port}` }],
    check: { timeout: '20s', interval: '1h', ...keys },
  })
  const [check] = config.check
  if (check === undefined) throw new Error('no check')
  const probes = startProbes()
  t.teardown(probes.stop)
  return new Promise((hear) => {
    const endpoint = { address: '127.0.0.1', port }
    const wanted = { kind: 'check', endpoint, config: check, directReturn: [] } as const
    probes.subscribe(wanted, { index: 0, of: 1 }, { hear, stand: () => 'up' })
  })
}

const framed = (sequence: number, payload: Buffer): Buffer => {
  const header = Buffer.alloc(4)
  header.writeUIntLE(payload.length, 0, 3)
  header.writeUInt8(sequence, 3)
  return Buffer.concat([header, payload])
}
const greeting = framed(
  0,
  Buffer.concat([
    Buffer.from('\x0a5.5.5-10.11.6-MariaDB\0'),
    Buffer.from([1, 0, 0, 0]),
    Buffer.from('abcdefgh\0'),
    Buffer.from([0xfe, 0xf7, 45, 2, 0, 0xbf, 0x81, 21]),
    Buffer.alloc(10),
    Buffer.from('ijklmnopqrst\0mysql_native_password\0'),
  ]),
)
const loggedIn = framed(2, Buffer.from([0, 0, 0, 2, 0, 0, 0]))
/** The header of a packet of 16 MiB that never ends, and any amount of it. */
const hugePacket = Buffer.concat([Buffer.from([0xff, 0xff, 0xff, 1]), Buffer.alloc(65_536, 1)])
/** What the kernels of both sides hold for a reader that reads no more. */
const inFlight = 16 * 1024 * 1024
const login = { type: 'mysql', user: 'check' }

const stories: readonly (readonly [string, object, Buffer, Buffer])[] = [
  ['mysql: a packet without an end after the login', login, Buffer.concat([greeting, loggedIn]), hugePacket],
  ['mysql: a greeting without an end', login, Buffer.from([0xff, 0xff, 0xff, 0]), Buffer.alloc(65_536, 1)],
  [
    'http: headers without an end',
    { port: 0 },
    Buffer.from('HTTP/1.1 200 OK\r\n'),
    Buffer.from('x: y\r\n'.repeat(5000)),
  ],
  [
    'http: provisional answers without an end',
    { port: 0 },
    Buffer.alloc(0),
    Buffer.from('HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n'.repeat(2000)),
  ],
  [
    'http: an extension of a chunk without an end',
    { port: 0 },
    Buffer.from('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1;'),
    Buffer.alloc(65_536, 'a'),
  ],
  ['http: no line without an end', { port: 0 }, Buffer.alloc(0), Buffer.alloc(65_536, 'a')],
]
for (const [name, keys, first, more] of stories) {
  t.test(`${name} is cut off`, async (t) => {
    const server = await endless(t, first, more)
    const result = await firstResult(t, server.port, 'port' in keys ? { port: server.port } : keys)
    t.match(result, { passed: false, status: 'L7RSP', reason: 'invalid-answer' }, JSON.stringify(result))
    t.ok(server.written() < inFlight, `${server.written()} bytes`)
  })
}

t.test('a line that comes byte by byte is not judged for ever', async (t) => {
  const server = createServer({ noDelay: true }, (socket) => {
    socket.on('error', () => {})
    const timer = setInterval(() => socket.write('x'), 1)
    socket.once('close', () => clearInterval(timer))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const config = agentCheckSchema.parse({ port, timeout: '1m' })
  const { text } = await createAgentCheckProbe('127.0.0.1', config).run()
  t.ok(text.length < 1000, `${text.length} bytes`)
})

t.test('a pattern that other engines take years for is matched at once', async (t) => {
  const body = `${'a'.repeat(10_000)}!`
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', () => socket.end(`HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n${body}`))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const result = await firstResult(t, port, { port, expect: { body_matches: '^(a+)+$' } })
  t.match(result, { passed: false, status: 'L7RSP', reason: 'unexpected-body' }, JSON.stringify(result))
})

t.test('who answers in TLS, or not at all, is told as that', async (t) => {
  const words = async (said: Buffer): Promise<string> => {
    const server = createServer((socket) => {
      socket.on('error', () => {})
      socket.once('data', () => socket.end(said))
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    t.teardown(() => server.close())
    const address = server.address()
    const port = typeof address === 'object' ? (address?.port ?? 0) : 0
    const result = await firstResult(t, port, { port })
    return result === 'late' ? result : result.text
  }
  t.match(
    await words(Buffer.from([0x15, 3, 1, 0, 2, 2, 70])),
    /this is TLS, .* plain HTTP: write tls into the check, or/,
  )
  t.match(
    await words(Buffer.alloc(0)),
    /without an answer; if it wants TLS: write tls into the check, or take listen.tls out/,
  )
  t.match(await words(Buffer.from('SSH-2.0\r\n')), 'this is no HTTP')
})
