// The words of `sessions end`, and those of its answers.

import t from 'tap'
import { parseIpAddress } from '../../../balancer/config/values.ts'
import {
  describeEnded,
  describeOrderedEnd,
  mergeEnded,
  parseSessionOrder,
  type SessionsEnded,
} from '../../../balancer/pool/core/session-order.ts'

const parse = (text: string) => parseSessionOrder(text.split(' '), parseIpAddress)
const client = (address: string, port: number | null = null) => ({ by: 'client', address, port }) as const
const server = { by: 'server', listener: 'mysql', server: 'db1' } as const

t.test('whose sessions an operator means', async (t) => {
  const table = [
    ['mysql/db1', server],
    ['198.18.1.5', client('198.18.1.5')],
    ['198.18.1.5:40112', client('198.18.1.5', 40112)],
    ['2001:db8:0::7', client('2001:db8::7')],
    ['[2001:DB8::7]', client('2001:db8::7')],
    ['[2001:db8::7]:40112', client('2001:db8::7', 40112)],
    // Only brackets tell a port from the last group.
    ['2001:db8::7:3306', client('2001:db8::7:3306')],
    ['::ffff:198.18.1.5', client('198.18.1.5')],
    ['[::ffff:198.18.1.5]:7', client('198.18.1.5', 7)],
  ] as const
  for (const [text, end] of table) t.same(parse(`end ${text}`), { ok: true, end }, text)
  const wrong = ['', 'end', 'kill mysql/db1', 'end mysql/db1 now', 'end mysql/', 'end /db1', 'end a/b/c']
  for (const text of wrong) t.match(parse(text), { ok: false, text: /^write: sessions end/ }, text)
  for (const text of [
    'mysql',
    '198.18.1',
    '198.18.1.5:',
    '198.18.1.5:x',
    '[::1',
    '[198.18.1.5',
    'fe80::1%eth0',
    ':3306',
  ])
    t.match(parse(`end ${text}`), { ok: false, text: /is neither LISTENER\/SERVER nor an address/ }, text)
  for (const port of ['0', '65536']) t.match(parse(`end 198.18.1.5:${port}`), { ok: false, text: /a port is/ }, port)
})

const ended = (...places: readonly (readonly [string, string | null, number])[]): SessionsEnded => ({
  ended: places.map(([listener, name, sessions]) => ({ listener, server: name, sessions })),
  troubles: [],
})

t.test('what several processes ended is one answer', async (t) => {
  const [old, trouble] = [ended(['mysql', 'db1', 3], ['mysql', null, 1]), { ended: [], troubles: ['one is late'] }]
  const merged = mergeEnded([ended(['mysql', 'db1', 2], ['mysql', 'db2', 0]), old, trouble])
  t.same(merged, { ended: ended(['mysql', 'db1', 5], ['mysql', null, 1]).ended, troubles: ['one is late'] })
})

t.test('what is told', async (t) => {
  const table = [
    [server, ended(['mysql', 'db1', 12]), '12 sessions ended on mysql/db1'],
    [server, ended(['mysql', 'db1', 1]), '1 session ended on mysql/db1'],
    [server, ended(), 'mysql/db1 has no session here'],
    [client('198.18.1.5'), ended(), '198.18.1.5 has no session here'],
    [client('2001:db8::7', 9), ended(), '[2001:db8::7]:9 has no session here'],
    [
      client('198.18.1.5'),
      ended(['rw', 'db1', 2], ['ro', 'db2', 1], ['ro', null, 1]),
      '4 sessions of 198.18.1.5 ended: 2 on rw/db1, 1 on ro/db2, 1 in the queue of ro',
    ],
  ] as const
  for (const [end, result, text] of table) t.equal(describeEnded(end, result), text)
  const line = describeOrderedEnd(client('198.18.1.5', 9), ended(['rw', 'db1', 1]), 'user admin')
  t.equal(line.text, 'By order of user admin 1 session of 198.18.1.5:9 ended: 1 on rw/db1')
  t.equal(line.fields['order'], 'sessions end 198.18.1.5:9')
})
