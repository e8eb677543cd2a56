import { isIP } from 'node:net'
import fc from 'fast-check'
import t from 'tap'
import { endpointText } from '../../../../balancer/core/endpoint.ts'
import { addressText } from '../../../../balancer/core/ip-address.ts'
import { millis } from '../../../../balancer/core/time.ts'
import { createLineCutter } from '../../../../balancer/peers/core/lines.ts'
import {
  isEndpointText,
  lineOf,
  longestLine,
  type PeerMessage,
  parseLine,
  protocol,
  sessionsInLine,
} from '../../../../balancer/peers/core/messages.ts'
import { bind, table } from './exceptions.ts'

const hello: PeerMessage = {
  type: 'hello',
  protocol,
  routerId: 'lb1',
  instance: '0123456789abcdef',
  listeners: ['mysql'],
}
const told: PeerMessage = {
  type: 'told',
  listener: 'mysql',
  bind,
  sessions: [
    ['10.0.0.1:40000', 'db2', millis(5), millis(1000)],
    ['[2001:db8::1]:1', 'db1', millis(0), millis(0)],
  ],
}
const messages: readonly PeerMessage[] = [
  hello,
  { type: 'table', ...table('mysql', ['db1']) },
  { type: 'table', ...table('mysql', ['db1']), established: table('mysql', ['db1', 'db2']).table },
  told,
  { type: 'gone', listener: 'mysql', bind, clients: ['10.0.0.1:40000'] },
  { type: 'gone', listener: 'mysql', bind, clients: ['10.0.0.1:40000', '10.0.0.1:40001'], idle: [millis(300), null] },
  { type: 'synced' },
  { type: 'beat' },
  { type: 'beat', holds: ['198.18.0.100', 'fd00::7'] },
  { type: 'bye', why: 'it stops' },
]

t.test('what is said is what is heard', async (t) => {
  for (const message of messages) t.same(parseLine(lineOf(message)), { ok: true, message }, message.type)
})

t.test('what is not understood has a reason', async (t) => {
  const reasonOf = (value: unknown): string => {
    const parsed = parseLine(typeof value === 'string' ? value : JSON.stringify(value))
    return parsed.ok ? 'ok' : parsed.reason
  }
  const [session] = told.sessions
  const rows: readonly (readonly [unknown, string])[] = [
    ['', 'not-json'],
    ['GET / HTTP/1.1', 'not-json'],
    ['null', 'wrong-shape'],
    ['[]', 'wrong-shape'],
    [{}, 'wrong-shape'],
    [{ type: 'order', server: 'db1' }, 'unknown-type'],
    [{ ...hello, protocol: 2 }, 'other-protocol'],
    [{ ...hello, routerId: 'lb 1' }, 'wrong-shape'],
    [{ ...hello, instance: '' }, 'wrong-shape'],
    [{ ...hello, listeners: Array(101).fill('l') }, 'wrong-shape'],
    [{ ...told, bind: '198.18.0.100' }, 'wrong-shape'],
    [{ ...told, sessions: [['10.0.0.256:1', 'db1', 0, 1]] }, 'wrong-shape'],
    [{ ...told, sessions: [['10.0.0.1:1', 'db1', -1, 1]] }, 'wrong-shape'],
    [{ ...told, sessions: [['10.0.0.1:1', 'db1', 0, 1e12]] }, 'wrong-shape'],
    [{ ...told, sessions: Array(sessionsInLine + 1).fill(session) }, 'wrong-shape'],
    [{ ...told, sessions: Array(sessionsInLine).fill(session) }, 'ok'],
  ]
  for (const [value, reason] of rows) t.equal(reasonOf(value), reason, JSON.stringify(value).slice(0, 80))
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), (line) => {
      parseLine(line)
    }),
  )
})

t.test('the largest table that a configuration allows is one line, and within its bound', async (t) => {
  const names = Array.from({ length: 1000 }, (_, i) => `${i}`.padStart(64, 'n'))
  const largest = table('l'.repeat(64), names, { servers: names })
  const line = lineOf({ type: 'table', ...largest, established: largest.table })
  t.ok(line.length <= longestLine, `${line.length}`)
  t.ok(parseLine(line).ok)
})

t.test('an endpoint has one text, and nothing else is one', async (t) => {
  const bytes = fc.oneof(
    fc.uint8Array({ minLength: 4, maxLength: 4 }),
    fc.uint8Array({ minLength: 16, maxLength: 16 }),
    fc.array(fc.constantFrom(0, 1, 255), { minLength: 16, maxLength: 16 }),
  )
  fc.assert(
    fc.property(bytes, fc.integer({ min: 1, max: 65_535 }), (address, port) =>
      isEndpointText(endpointText({ address: addressText(address), port })),
    ),
  )
  fc.assert(
    fc.property(fc.stringMatching(/^\[?[0-9a-f:.]{0,42}\]?:\d{0,5}$/), (text) => {
      if (!isEndpointText(text)) return
      const [, address = '', port] = /^\[?(.*?)\]?:(\d+)$/.exec(text) ?? []
      t.ok(isIP(address) > 0 && Number(port) > 0 && Number(port) <= 65_535, text)
    }),
  )
  for (const text of [
    '10.0.0.1:0',
    '10.0.0.1:65536',
    '10.0.0.01:1',
    '10.0.0:1',
    '[2001:DB8::1]:1',
    '[::0]:1',
    '[1]:1',
  ]) {
    t.notOk(isEndpointText(text), text)
  }
})

t.test('lines are the same, however they come in pieces', async (t) => {
  const cutAll = (text: string, sizes: readonly number[]): readonly string[] => {
    const { cut } = createLineCutter(10)
    let at = 0
    const pieces = sizes.map((size) => {
      at += size
      return text.slice(at - size, at)
    })
    return [...pieces, text.slice(at)].flatMap((piece) => cut(piece).lines)
  }
  fc.assert(
    fc.property(fc.array(fc.string({ maxLength: 10 })), fc.array(fc.nat(7)), (written, sizes) => {
      const lines = written.map((line) => line.replaceAll('\n', ' '))
      const text = lines.map((line) => `${line}\n`).join('')
      t.same(cutAll(text, sizes), lines)
    }),
  )
})

t.test('a line that is too long ends it, with or without its end; what stood before it counts', async (t) => {
  t.same(createLineCutter(3).cut('abc\nabcd\nab\n'), { lines: ['abc'], isTooLong: true })
  const endless = createLineCutter(3)
  t.same(endless.cut('abc'), { lines: [], isTooLong: false })
  t.same(endless.cut('d'), { lines: [], isTooLong: true })
})
