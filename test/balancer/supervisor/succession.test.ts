import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import {
  beginSuccession,
  type Succession,
  type SuccessionEvent,
  stageLimit,
  stepSuccession,
} from '../../../balancer/supervisor/core/succession.ts'
import { readSuccession, successionFormat } from '../../../balancer/supervisor/succession-messages.ts'

const road: readonly SuccessionEvent[] = [
  { event: 'candidate-loaded' },
  { event: 'handed-over', role: 'director' },
  { event: 'handed-over', role: 'proxy' },
  { event: 'handed-over', role: 'kernel' },
  { event: 'candidate-prepared' },
  { event: 'stepped-aside' },
  { event: 'candidate-leads' },
]

/** The state after these events, and all that was to be done meanwhile. */
const after = (events: readonly SuccessionEvent[]): readonly [Succession, readonly string[]] => {
  const [first, effects] = beginSuccession(['proxy', 'kernel', 'director', 'vrrp'])
  let state = first
  const done = effects.map(({ effect }) => effect)
  for (const event of events) {
    const [next, more] = stepSuccession(state, event)
    state = next
    done.push(...more.map(({ effect }) => effect))
  }
  return [state, done]
}

t.test('a replacement goes one way, the vrrp process last', async (t) => {
  const [state, done] = after(road)
  t.equal(state.stage, 'over')
  t.same(done, ['start-candidate', 'collect-handles', 'begin-candidate', 'step-aside', 'lead-candidate', 'retire'])
})

t.test('only processes that run are waited for, and vrrp not at all', async (t) => {
  t.same([...beginSuccession(['director', 'vrrp'])[0].owing], ['director'])
  t.same([...beginSuccession(['kernel', 'director', 'vrrp'])[0].owing], ['kernel', 'director'])
})

t.test('at every step before the last a failure ends the other program first, and this one goes on', async (t) => {
  for (let steps = 0; steps < road.length; steps += 1) {
    for (const event of [{ event: 'failed', lines: ['why'] }, { event: 'late' }] as const) {
      const [state, done] = after([...road.slice(0, steps), event])
      t.equal(state.stage, 'over')
      t.same(done.slice(-3), ['end-candidate', 'go-on', 'refuse'], `${event.event} after ${steps} steps`)
    }
  }
})

t.test('what comes out of turn changes nothing', async (t) => {
  for (let steps = 0; steps <= road.length; steps += 1) {
    const [state, done] = after(road.slice(0, steps))
    const others = steps === road.length ? road : road.filter((one, i) => i !== steps && one.event !== 'handed-over')
    for (const event of others) {
      t.same(stepSuccession(state, event), [state, []], `${event.event} after ${done.at(-1)}`)
    }
  }
  const [over] = after(road)
  t.same(stepSuccession(over, { event: 'failed', lines: [] }), [over, []], 'there is no way back')
})

t.test('nobody waits longer for the last step than the other routers do', async (t) => {
  const [leading] = after(road.slice(0, 6))
  t.equal(leading.stage, 'leading')
  t.equal(stageLimit(leading, [1000, 100]), 200)
  t.equal(stageLimit(leading, [10]), 100)
  t.equal(stageLimit(leading, []), 2000)
  t.equal(stageLimit(after(road)[0], []), null)
})

t.test('what the first release hands over is understood', async (t) => {
  const file = fileURLToPath(new URL('../../../../test/balancer/supervisor/succession-1.json', import.meta.url))
  const messages: unknown[] = JSON.parse(readFileSync(file, 'utf8'))
  const heard = messages.map(readSuccession)
  t.same(
    heard.map((one) => one?.type),
    messages.map((one) => Object(one).type),
  )
  t.match(heard[0], { type: 'succeed', format: successionFormat, version: '0.1.0', text: /^router_id: lb1\n/ })
  t.match(
    heard.find((one) => one?.type === 'begin'),
    {
      facts: [
        { fact: 'virtual-router', state: 'master', since: 1764392000000, priority: 101 },
        { fact: 'server-health', up: true, orders: { admin: 'drain' } },
        { fact: 'writer', server: 'db1' },
        { fact: 'draining', worker: 4711, version: '0.0.9' },
      ],
    },
  )
})

t.test('a message of a later release may say more, and a fact nobody knows is left out', async (t) => {
  const facts = [
    { fact: 'weather', sky: 'blue' },
    { fact: 'writer', listener: 'm', server: null, since: 1, mood: 'good' },
    // As the first release says it.
    { fact: 'listener', listener: 'm', binds: [{ address: '198.18.0.2:1', open: true }], sessions: 1, queued: 0 },
    { fact: 'heartbeat', process: 'teleporter', at: 1 },
  ]
  t.same(readSuccession({ type: 'begin', facts, hurry: true }), {
    type: 'begin',
    facts: [{ fact: 'writer', listener: 'm', server: null, since: 1 }],
  })
  t.equal(readSuccession({ type: 'sing' }), undefined)
  t.equal(readSuccession({ type: 'fact', fact: { fact: 'weather' } }), undefined)
})
