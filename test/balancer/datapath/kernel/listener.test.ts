// One listener that goes on with the rules of a process before it.

import t from 'tap'
import type { PlanEffect } from '../../../../balancer/datapath/core/plan.ts'
import { runListener } from '../../../../balancer/datapath/kernel/listener.ts'
import { waitFor } from '../../../lab/wait-for.ts'
import { healthFact } from '../../pool/health-fact.ts'
import { listenerOf } from '../planning.ts'

t.test('a server of which nothing is known goes on; should it be down, sessions that came meanwhile end', async (t) => {
  const check = { type: 'tcp', interval: '50ms', timeout: '50ms', fall: 1 }
  const config = listenerOf({ datapath: 'kernel', check, servers: [{ name: 'db1', address: '198.18.0.11:3306' }] })
  const effects: PlanEffect[] = []
  const listener = runListener({
    config,
    inherited: new Set(['db1']),
    sessionsOf: () => 0,
    sessionsOfListener: () => 0,
    onStep: (more) => effects.push(...more),
  })
  t.teardown(listener.stop)
  const [place] = listener.places()
  listener.setMarks(new Map([[place?.id ?? -1, 1]]))
  listener.look()
  t.match(listener.wanted().targets, [{ server: 'db1', weight: 1 }])
  listener.hear(healthFact('db1', { up: false, listener: config.name }))
  t.same(effects, [], 'the first check of a new director may be wrong')
  await waitFor('the end of what it had', () => effects.length > 0)
  t.same(
    effects.map(({ effect }) => effect),
    ['end-attempts', 'end-sessions'],
  )
})
