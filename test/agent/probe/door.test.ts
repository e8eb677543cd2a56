import t from 'tap'
import { takesReserved } from '../../../agent/probe/core/account.ts'
import { fullTable } from '../../../agent/probe/core/connections.ts'
import { type ClientAddress, closedBy, doorOf } from '../../../agent/probe/core/door.ts'
import type { Words } from '../../../agent/probe/core/facts.ts'
import { failureOf } from '../../../agent/probe/core/failure.ts'
import { serverWords } from '../../../agent/probe/core/server-words.ts'
import { facts } from '../samples.ts'

t.test('clients come in at the own port, on an address that others reach, or where it is written', async (t) => {
  const own = ['198.18.0.11', 'fd00::1']
  const closed = (text: string) => ({ closed: { code: 'closed-to-clients', text } })
  const table: readonly [ClientAddress, Words, unknown][] = [
    [{ kind: 'own' }, { port: '3306', bind_address: '0.0.0.0' }, { host: '198.18.0.11', port: 3306 }],
    [{ kind: 'own' }, { port: '3306', bind_address: '' }, { host: '198.18.0.11', port: 3306 }],
    [{ kind: 'own' }, { port: '3307', bind_address: '127.0.0.1,198.18.0.12' }, { host: '198.18.0.12', port: 3307 }],
    [
      { kind: 'own' },
      { port: '3306', bind_address: '127.0.0.1,::1' },
      closed('bind_address is an address of this host alone'),
    ],
    [{ kind: 'own' }, { port: '3306', skip_networking: 'ON' }, closed('skip_networking is ON')],
    [{ kind: 'own' }, { port: '0' }, closed('port is 0')],
    [{ kind: 'own' }, {}, null],
    [{ kind: 'none' }, { port: '3306', skip_networking: 'ON' }, null],
    [
      { kind: 'tcp', host: 'db1', port: null },
      { port: '3307', bind_address: '127.0.0.1' },
      { host: 'db1', port: 3307 },
    ],
    [{ kind: 'tcp', host: 'db1', port: 3306 }, {}, { host: 'db1', port: 3306 }],
  ]
  for (const [client, words, door] of table) t.match(doorOf(client, words, own), door, JSON.stringify([client, words]))
  t.equal(doorOf({ kind: 'own' }, { port: '3306', bind_address: '*' }, []), null)
})

t.test('a login there that is refused for its user says nothing of clients, everything else does', async (t) => {
  const of = (errno: number, code?: string) =>
    closedBy(failureOf({ message: 'x', errno, code, fatal: true }), 'db1:3306')
  for (const errno of [1045, 1130, 1698, 3118, 1862]) t.equal(of(errno), null)
  t.match(of(1040), { code: 'too-many-connections', text: 'db1:3306: error 1040: all connections are taken' })
  t.match(of(1129), { code: 'host-blocked' })
  t.match(of(-111, 'ECONNREFUSED'), { code: 'closed-to-clients' })
})

t.test('who may take the reserved connection is told by the grants', async (t) => {
  const grants = (text: string) => takesReserved([{ grants: text }])
  for (const text of [
    'GRANT SERVICE_CONNECTION_ADMIN ON *.* TO `chk`@`localhost`',
    'GRANT CONNECTION ADMIN ON *.* TO `chk`@`localhost` IDENTIFIED BY PASSWORD "*1"',
    'GRANT RELOAD, SUPER ON *.* TO `chk`@`localhost`',
    'GRANT ALL PRIVILEGES ON *.* TO `chk`@`localhost`',
  ]) {
    t.ok(grants(text), text)
  }
  t.notOk(grants('GRANT SLAVE MONITOR ON *.* TO `chk`@`localhost`'))
  t.notOk(grants('GRANT ALL PRIVILEGES ON `app`.* TO `chk`@`localhost`'))
})

t.test('a full table is one in which the next client gets nothing', async (t) => {
  t.equal(fullTable({}), null)
  t.equal(fullTable({ threads_connected: '9', max_connections: '10' }), null)
  t.match(fullTable({ threads_connected: '10', max_connections: '10' }), { code: 'too-many-connections' })
})

t.test('the words of the server are collected for the log, without what the check user was not given', async (t) => {
  const channel = { name: 'a', ioThread: 'Yes', sqlThread: 'No', lag: null, error: 'error 1062', said: 'Duplicate' }
  const check = failureOf({ message: 'no such table app.t', errno: 1146 })
  const told = facts({}, { check, channels: { ok: true, value: [channel] } })
  t.same(serverWords({ kind: 'answered', facts: told }), [
    { about: 'the check query', said: 'no such table app.t' },
    { about: 'replication a', said: 'Duplicate' },
  ])
  const denied = { ok: false, failure: failureOf({ message: 'you need SLAVE MONITOR', errno: 1227 }) } as const
  t.same(serverWords({ kind: 'answered', facts: facts({}, { channels: denied }) }), [])
  t.match(serverWords({ kind: 'failed', failure: failureOf({ message: 'denied', errno: 1045 }) }), [{ said: 'denied' }])
})
