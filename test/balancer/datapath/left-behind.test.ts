// Servers are heard of one after another when a process goes on with the rules of one before it.

import t from 'tap'
import { runListener as runDirect } from '../../../balancer/datapath/direct/listener.ts'
import { runListener as runKernel } from '../../../balancer/datapath/kernel/listener.ts'
import { healthFact } from '../pool/health-fact.ts'
import { listenerOf } from './planning.ts'

const names = ['a', 'b', 'c']
const weights = { a: 100, b: 50, c: 100 } as const
const servers = Object.entries(weights).map(([name, weight], i) => ({ name, weight, address: `198.18.0.1${i}:3306` }))
const heard = (server: keyof typeof weights) => healthFact(server, { weight: weights[server] })
const nobody = { sessionsOf: () => 0, onStep: () => {} }

t.test('direct: the slots are the same at every moment, as they are on the other balancers', async (t) => {
  const listener = runDirect({
    config: listenerOf({ datapath: 'direct', servers }),
    inherited: { takers: new Set(names), numbers: new Map() },
    ...{ ...nobody, pathOf: () => null, isInUse: () => false },
  })
  t.teardown(listener.stop)
  const first = listener.table()
  t.same(
    first.targets.map(({ server, weight }) => [server, weight]),
    Object.entries(weights),
  )
  for (const server of ['b', 'c', 'a'] as const) {
    listener.hear(heard(server))
    t.same(listener.table(), first, `after ${server}`)
  }
})

t.test('kernel: who is heard of first has its share beside the others', async (t) => {
  const listener = runKernel({
    config: listenerOf({ datapath: 'kernel', servers }),
    inherited: new Set(names),
    ...{ ...nobody, sessionsOfListener: () => 0 },
  })
  t.teardown(listener.stop)
  const shares = () => listener.wanted().targets.map(({ server, weight }) => [server, weight])
  for (const server of ['b', 'a', 'c'] as const) {
    listener.hear(heard(server))
    t.same(shares(), Object.entries(weights), `after ${server}`)
  }
})

t.test('a server that got sessions by an order alone, whose configured weight is 0, goes on', async (t) => {
  const config = listenerOf({ datapath: 'kernel', servers: [{ ...servers[0], weight: 0 }, servers[1]] })
  const listener = runKernel({ config, inherited: new Set(names), ...nobody, sessionsOfListener: () => 0 })
  t.teardown(listener.stop)
  t.same(
    listener.wanted().targets.map(({ server }) => server),
    ['a', 'b'],
  )
})
