import t from 'tap'
import { startHeartbeat } from '../../../balancer/main/heartbeat.ts'
import { type Fact, factSchema } from '../../../balancer/pool/core/facts.ts'
import { createPool, subjectOf } from '../../../balancer/pool/core/pool.ts'
import { waitFor } from '../../lab/wait-for.ts'

t.test('a process beats at once and then again and again, and the facts pass between processes', async (t) => {
  const facts: Fact[] = []
  const stop = startHeartbeat('director', (fact) => facts.push(fact))
  t.equal(facts.length, 1)
  await waitFor('more beats', () => facts.length > 2)
  stop()
  for (const fact of facts) t.same(factSchema.parse(fact), fact)
  t.same([...new Set(facts.map(subjectOf))], ['heartbeat director'])
  const died = factSchema.parse({ fact: 'process', process: 'proxy', running: false, at: 1 })
  t.equal(subjectOf(died), 'process proxy')
  t.match(createPool([...facts, died]), { servers: new Map(), listeners: new Map() })
})
