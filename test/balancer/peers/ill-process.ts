// Somebody at the address of a peer who behaves badly: `ill-process.js ADDRESS FROM KEY KIND`. It prints what comes back.

import { connect as connectTcp, createServer } from 'node:net'
import { connect } from 'node:tls'
import { lineOf, longestLine, protocol } from '../../../balancer/peers/core/messages.ts'
import { tlsOptions } from '../../../balancer/peers/transport.ts'
import { bind, table } from './core/exceptions.ts'

const [host = '', localAddress = '', key = '', kind = ''] = process.argv.slice(2)
const port = 9224
const print = (text: string): void => void process.stdout.write(`${text}\n`)
const raw = connectTcp({ host, port, localAddress })
raw.on('error', (error) => print(`error ${'code' in error ? error.code : ''}`))

const hello = { type: 'hello', protocol, routerId: 'ill', instance: 'f'.repeat(16), listeners: ['mysql'] } as const
const introduce = lineOf(hello) + lineOf({ type: 'table', ...table('mysql', ['db1']) })
const told = lineOf({
  type: 'told',
  listener: 'mysql',
  bind,
  sessions: Array.from({ length: 250 }, (_, i) => [`10.9.0.1:${i + 1}`, 'db1', 0, 60_000] as never),
})
const beat = lineOf({ type: 'beat' })

if (kind === 'stranger' || kind === 'garbage') {
  raw.on('connect', () => {
    print('connected')
    if (kind === 'garbage') raw.write('GET / HTTP/1.1\r\n\r\n')
  })
  raw.on('data', () => {})
  raw.on('close', () => print('closed'))
} else if (kind === 'replay') {
  // An honest handshake through here, and then the same bytes once more.
  const said: Buffer[] = []
  const recorder = createServer((near) => {
    near.on('data', (bytes) => {
      said.push(bytes)
      raw.write(bytes)
    })
    raw.on('data', (bytes) => near.write(bytes))
    raw.on('close', () => near.destroy())
  })
  const secret = { psk: Buffer.from(key, 'base64'), identity: 'ill' }
  recorder.listen(0, '127.0.0.1', () => {
    const address = recorder.address()
    const there = { host: '127.0.0.1', port: typeof address === 'object' ? (address?.port ?? 0) : 0 }
    const honest = connect({ ...there, ...tlsOptions, pskCallback: () => secret, checkServerIdentity: () => undefined })
    honest.on('error', () => {})
    honest.on('secureConnect', () => {
      print('secure')
      raw.destroy()
      recorder.close()
      const again = connectTcp({ host, port, localAddress })
      again.on('error', () => {})
      again.on('data', () => {})
      again.on('close', () => print('closed'))
      for (const bytes of said) again.write(bytes)
    })
  })
} else {
  const psk = kind === 'wrong-key' ? Buffer.alloc(32, 1) : Buffer.from(key, 'base64')
  raw.on('close', () => print('closed'))
  const socket = connect({
    ...tlsOptions,
    socket: raw,
    pskCallback: () => ({ psk, identity: 'ill' }),
    checkServerIdentity: () => undefined,
  })
  socket.on('error', () => {})
  socket.on('secureConnect', () => {
    print('secure')
    if (kind !== 'slow') socket.resume()
    switch (kind) {
      case 'silent':
        return
      case 'other-version':
        socket.write(`${JSON.stringify({ ...hello, protocol: protocol + 1 })}\n`)
        return
      case 'half':
        socket.write(introduce + beat.slice(0, -2))
        return
      case 'largest':
        socket.write(introduce)
        setInterval(() => socket.write(`"${'x'.repeat(longestLine - 2)}"\n`), 500)
        return
      case 'nonsense':
        socket.write(`${introduce}GET / HTTP/1.1\n{"type":"order"}\n{"type":"told"}\n\0\n`)
        setInterval(() => socket.write(beat), 500)
        return
      case 'endless':
        socket.write(introduce + 'x'.repeat(1_000_000))
        return
      case 'slow':
        socket.write(introduce)
        setInterval(() => socket.write(beat), 500)
        return
      case 'flood': {
        socket.write(introduce)
        const pour = (): void => {
          while (socket.write(told + beat.repeat(100)));
          socket.once('drain', pour)
        }
        pour()
        return
      }
      default:
        throw new Error(`there is no kind ${kind}`)
    }
  })
}
