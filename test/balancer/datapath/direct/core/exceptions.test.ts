import t from 'tap'
import { millis } from '../../../../../balancer/core/time.ts'
import {
  endOfTold,
  endpointIn,
  isHeardSince,
  numberedSlots,
  toldException,
} from '../../../../../balancer/datapath/direct/core/exceptions.ts'
import { slotsOf, slotTable } from '../../../../../balancer/pool/core/slot-table.ts'

const numbers = new Map([['db1', 7]])
const place = { listener: 'mysql', bind: '198.18.0.100:3306', client: '198.18.0.9:40000' }
const session = { number: 7, idle: millis(10), timeout: millis(1000) }

t.test('slots have the numbers of this host in the place of names, and 0 for a server that it does not have', (t) => {
  const table = slotTable(
    'mysql',
    'session',
    ['db1', 'db2'],
    [
      { server: 'db1', weight: 1 },
      { server: 'db2', weight: 1 },
    ],
  )
  const slots = numberedSlots(table, (server) => numbers.get(server))
  t.same(
    [...Array.from(slots.numbers)],
    slotsOf(table).map((server) => (server === 'db1' ? 7 : 0)),
  )
  t.end()
})

t.test('what is told names its server and its client, or is not told', (t) => {
  const serverOf = (number: number) => (number === 7 ? 'db1' : undefined)
  t.same(toldException(session, place, serverOf), { ...place, server: 'db1', idle: 10, timeout: 1000 })
  t.equal(toldException({ ...session, number: 8 }, place, serverOf), null)
  t.equal(toldException(session, { ...place, client: undefined }, serverOf), null)
  t.end()
})

t.test('a session that was told is heard of here when it lasts longer than it was told, or has another server', (t) => {
  const told = { number: 7, until: endOfTold(5000, millis(10), millis(1000)) }
  t.equal(told.until, 5990)
  t.notOk(isHeardSince({ number: 7, expiresAt: 5990 }, told))
  t.ok(isHeardSince({ number: 7, expiresAt: 9000 }, told))
  t.ok(isHeardSince({ number: 8, expiresAt: 5990 }, told))
  t.end()
})

t.test('clients are read from their text', (t) => {
  t.same(endpointIn('198.18.0.9:40000'), { address: '198.18.0.9', port: 40_000 })
  t.same(endpointIn('[2001:db8::9]:40000'), { address: '2001:db8::9', port: 40_000 })
  t.equal(endpointIn('db1:3306'), null)
  t.end()
})
