import t from 'tap'
import {
  type Established,
  establishedTable,
  withoutServer,
} from '../../../../../balancer/datapath/direct/core/established.ts'
import { slotTable } from '../../../../../balancer/pool/core/slot-table.ts'

const configured = ['db1', 'db2', 'db3']
const table = (...servers: readonly string[]) =>
  slotTable(
    'mysql',
    'session',
    configured,
    servers.map((server) => ({ server, weight: 1 })),
  )
const then: Established = { table: table('db1', 'db2'), since: 1000, until: 5000 }
const everybody = (): boolean => true

t.test('sessions that nobody here has seen go by the slots of then, until they are over', (t) => {
  t.equal(establishedTable(then, table('db2'), 4999, everybody), then.table)
  t.equal(establishedTable(then, table('db2'), 5000, everybody), undefined)
  t.equal(establishedTable(null, table('db2'), 0, everybody), undefined)
  t.end()
})

t.test('slots that are the same need no second map', (t) => {
  t.equal(establishedTable(then, table('db1', 'db2'), 2000, everybody), undefined)
  t.end()
})

t.test('a server whose sessions have ended, or that is gone, is nobody’s any more', (t) => {
  const without = withoutServer(then, 'db1')
  t.same(
    establishedTable(without, table('db2', 'db3'), 2000, everybody)?.targets.map(({ server }) => server),
    ['db2'],
  )
  const known = (server: string): boolean => server !== 'db2'
  t.same(establishedTable(then, table('db3'), 2000, known)?.targets, [{ server: 'db1', weight: 1 }])
  t.equal(establishedTable(withoutServer(without, 'db2'), table('db3'), 2000, everybody), undefined)
  t.equal(withoutServer(null, 'db1'), null)
  t.end()
})

t.test('another hash sends nobody where they were', (t) => {
  const bySource = slotTable('mysql', 'source', configured, [{ server: 'db1', weight: 1 }])
  t.equal(establishedTable(then, bySource, 2000, everybody), undefined)
  t.end()
})
