// What a director that has just started says of servers whose sessions were found in the kernel.

import t, { type Test } from 'tap'
import { millis } from '../../../balancer/core/time.ts'
import { startPlan, step } from '../../../balancer/datapath/core/plan.ts'
import { firstWords } from '../../../balancer/datapath/first-words.ts'
import type { ServerHealthFact } from '../../../balancer/pool/core/facts.ts'
import { waitFor } from '../../lab/wait-for.ts'
import { healthFact } from '../pool/health-fact.ts'
import { listenerOf } from './planning.ts'

/** `fall`: of checks that take 100 ms each at the most. */
const wordsOf = (t: Test, { fall }: { readonly fall: number }) => {
  const check = { type: 'tcp', interval: '50ms', timeout: '50ms', fall }
  const config = listenerOf(
    { check },
    ['db1', 'db2', 'db3'].map((name, i) => ({ name, address: `198.18.0.${11 + i}:3306` })),
  )
  const heard: ServerHealthFact[] = []
  let plan = startPlan(config, { adopts: true })
  const hear = (fact: ServerHealthFact): void => {
    heard.push(fact)
    const [next] = step(plan, { event: 'health', at: millis(0), fact, lasted: millis(0) })
    plan = next
  }
  const words = firstWords({ plan: () => plan, hear }, () => new Set(['db1', 'db2']))
  t.teardown(words.stop)
  return { ...words, heard, told: () => heard.map(({ server, up }) => `${server} ${up}`) }
}

const down = (server: string, change: Partial<ServerHealthFact> = {}) => healthFact(server, { up: false, ...change })

t.test('a first down waits, and is forgotten when the server is up by then', async (t) => {
  const { hear, heard, told } = wordsOf(t, { fall: 100 })
  hear(down('db1'))
  t.same(heard, [])
  hear(healthFact('db1'))
  t.same(told(), ['db1 true'])
  hear(down('db1'))
  t.same(told(), ['db1 true', 'db1 false'], 'later ones are those of all checks')
})

t.test('who stays down is told as what it was last', async (t) => {
  const { hear, heard } = wordsOf(t, { fall: 2 })
  hear(down('db1', { lateChecks: 1 }))
  hear(down('db1', { lateChecks: 2 }))
  await waitFor('the word', () => heard.length > 0)
  t.match(heard, [{ server: 'db1', up: false, lateChecks: 2 }])
  t.equal(heard.length, 1)
})

t.test('what was ordered, and a server without sessions of before, does not wait', async (t) => {
  const { hear, told } = wordsOf(t, { fall: 100 })
  hear(down('db1', { admin: 'maint' }))
  hear(down('db2', { refusing: true }))
  hear(down('db3'))
  t.same(told(), ['db1 false', 'db2 false', 'db3 false'])
})

t.test('a server that no check has looked at is no news', async (t) => {
  const { hear, heard } = wordsOf(t, { fall: 1 })
  hear(down('db1', { counters: [null] }))
  hear(down('db3', { counters: [null] }))
  t.same(heard, [])
})
