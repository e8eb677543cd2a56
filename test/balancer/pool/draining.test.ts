import t from 'tap'
import { drainingSessions, outlineOf, remainingOf } from '../../../balancer/pool/core/draining.ts'

const place = (last: number, port = 3306) => ({ address: `198.18.0.${last}`, port })
const server = (name: string, last: number) => ({ name, address: place(last) })
const listener = (name: string, bind: number, servers: ReturnType<typeof server>[]) => ({
  name,
  bind: [place(bind)],
  servers,
})

const own = [
  listener('mysql', 100, [server('db1', 11), server('db2', 12)]),
  listener('reports', 101, [server('db1', 11)]),
]

t.test('while the configuration stays a worker keeps all it has', async (t) => {
  t.same(remainingOf(own, outlineOf(own)), own)
})

t.test('a listener or server that is gone is gone for it too, and a new one is none of its business', async (t) => {
  const now = [
    listener('mysql', 100, [server('db2', 12), server('db3', 13)]),
    listener('new', 102, [server('db1', 11)]),
  ]
  t.same(remainingOf(own, outlineOf(now)), [listener('mysql', 100, [server('db2', 12)])])
  t.same(remainingOf(own, []), [])
})

t.test('what has another name is found by its address, and is called so', async (t) => {
  const now = [
    listener('data', 100, [server('north', 11), server('south', 12)]),
    listener('reports', 105, [server('n', 11)]),
  ]
  t.same(remainingOf(own, outlineOf(now)), [
    listener('data', 100, [server('north', 11), server('south', 12)]),
    listener('reports', 101, [server('n', 11)]),
  ])
})

t.test('sessions of several earlier workers are added up', async (t) => {
  const worker = (pid: number, sessions: number) => ({
    fact: 'draining' as const,
    worker: pid,
    version: '1',
    since: 0,
    until: 1,
    isOver: false,
    listeners: [{ listener: 'mysql', sessions, servers: [{ server: 'db1', sessions: 1 }] }],
  })
  const workers = [worker(1, 2), worker(2, 3)]
  t.equal(drainingSessions(workers, 'mysql'), 5)
  t.equal(drainingSessions(workers, 'mysql', 'db1'), 2)
  t.equal(drainingSessions(workers, 'mysql', 'db2'), 0)
  t.equal(drainingSessions(workers, 'other'), 0)
})
