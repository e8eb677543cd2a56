import t from 'tap'
import { describeAgent } from '../../../balancer/pool/core/agent-change.ts'
import type { AgentCheckState, ServerHealthFact } from '../../../balancer/pool/core/facts.ts'
import { describeOrder, holdersOf } from '../../../balancer/pool/core/holders.ts'
import { healthFact } from './health-fact.ts'

const said = (change: Partial<NonNullable<ServerHealthFact['agent']>>) => ({
  ...({
    at: 9,
    since: 5,
    admin: 'ready',
    down: false,
    percent: null,
    maximumSessions: null,
    text: 'its words',
  } as const),
  ...change,
})
const iso = (moment: number): string => `T${moment}`

t.test('each who holds a server is named, with what it wants and since when', async (t) => {
  const names = (change: Partial<ServerHealthFact>): readonly string[] =>
    holdersOf(healthFact('db1', change)).map(({ by, wants, since }) => `${by} ${wants} ${since}`)
  t.same(names({}), [])
  t.same(names({ orders: { admin: 'maint', weight: 7, adminSince: 3 } }), [
    'operator maint 3',
    'operator weight 7 null',
  ])
  t.same(names({ agent: said({ percent: 100 }) }), [])
  t.same(names({ agent: said({ admin: 'drain', down: true, percent: 50, maximumSessions: 3 }) }), [
    'agent drain 5',
    'agent down 5',
    'agent 50% of the weight 5',
    'agent at most 3 sessions 5',
  ])
  t.same(names({ draining: true, drainingSince: 8 }), ['check drain (404) 8'])
})

t.test('an order is answered with what else holds the server', async (t) => {
  const answer = (order: string, change: Partial<ServerHealthFact>) =>
    describeOrder(order, healthFact('db1', change), iso)
  const failing = {
    at: 1,
    passed: false,
    status: 'L4CON',
    code: null,
    durationMs: 0,
    reason: 'refused',
    text: 'no',
    by: 'check',
    ageMs: null,
  } as const
  t.equal(answer('ready', {}), 'ready')
  t.equal(answer('drain', { admin: 'drain', orders: { admin: 'drain', weight: null, adminSince: 3 } }), 'drain')
  t.equal(
    answer('ready', { admin: 'drain', agent: said({ admin: 'drain' }) }),
    'ready, but the agent says drain since T5 ("its words")',
  )
  t.equal(answer('ready', { up: false, lastCheck: failing }), 'ready, but it is DOWN: refused: no')
  t.equal(answer('ready', { up: false, counters: [null] }), 'ready, but it is checked first')
  t.equal(answer('maint', { up: false, admin: 'maint', orders: { admin: 'maint', weight: null } }), 'maint')
  t.equal(
    answer('weight 7', { orders: { admin: 'drain', weight: 7, adminSince: 3 }, draining: true }),
    'weight 7, but an operator ordered drain since T3; a check says drain (404)',
  )
})

t.test('an agent that falls silent, answers again or speaks in tongues has a line, at a bounded rate', async (t) => {
  const state = (change: Partial<AgentCheckState>): AgentCheckState => ({
    ...{ failures: 0, silent: false, reason: '', unknown: 0, lastUnknown: '' },
    ...change,
  })
  const line = (before: Partial<AgentCheckState>, now: Partial<AgentCheckState>, agent?: ServerHealthFact['agent']) =>
    describeAgent(
      healthFact('db1', { agentCheck: state(before), agent: agent ?? null }),
      healthFact('db1', { agentCheck: state(now) }),
    )?.text
  const silent = { silent: true, failures: 10, reason: 'no answer within 200 ms' }
  const start = 'Agent of server mysql/db1 has not answered 10 checks in a row (no answer within 200 ms): '
  t.equal(line({}, silent), `${start}it has no say`)
  t.equal(line({}, silent, said({})), `${start}what it said no longer counts: "its words"`)
  t.equal(line(silent, { ...silent, failures: 11 }), undefined)
  t.equal(line(silent, {}), 'Agent of server mysql/db1 answers again')
  t.same(
    [1, 2, 3, 4, 5].map((unknown) => line({ unknown: unknown - 1 }, { unknown, lastUnknown: 'dance' }) !== undefined),
    [true, true, false, true, false],
  )
})
