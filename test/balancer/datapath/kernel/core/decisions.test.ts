// What the driver of the kernel datapath decides: weights of leastconn, marks over renames and moves, timeouts of live sessions.

import fc from 'fast-check'
import t from 'tap'
import { millis } from '../../../../../balancer/core/time.ts'
import { type Plan, startPlan, step } from '../../../../../balancer/datapath/core/plan.ts'
import { fateOf } from '../../../../../balancer/datapath/kernel/core/ending.ts'
import { watchIdleSessions } from '../../../../../balancer/datapath/kernel/core/idle-sessions.ts'
import { type Factors, nextFactors } from '../../../../../balancer/datapath/kernel/core/least-connections.ts'
import { listenerOfConfig } from '../../../../../balancer/datapath/kernel/core/listener-of-config.ts'
import { marksOf, type PlanMarks, renumber } from '../../../../../balancer/datapath/kernel/core/server-numbers.ts'
import { policyKey } from '../../../../../balancer/datapath/rules/core/snapshot.ts'
import { listenerOf } from '../../planning.ts'
import { updateOf } from './session-entries.ts'

t.test('leastconn: an even load changes no weight, by any weights', (t) => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 256 }), { minLength: 1, maxLength: 8 }), (weights) => {
      const loads = weights.map((weight, i) => ({ server: `db${i}`, weight, sessions: weight * 10 }))
      t.ok([...nextFactors(loads, new Map()).values()].every((factor) => factor === 1))
    }),
  )
  t.end()
})

t.test('leastconn: from any load, new sessions even it out', (t) => {
  const few = fc.integer({ min: 0, max: 200 })
  fc.assert(
    fc.property(fc.array(few, { minLength: 2, maxLength: 5 }), (first) => {
      const sessions = [...first]
      let factors: Factors = new Map()
      for (let second = 0; second < 60; second += 1) {
        const loads = sessions.map((count, i) => ({ server: `${i}`, weight: 1, sessions: count }))
        factors = nextFactors(loads, factors)
        const all = loads.reduce((sum, { server }) => sum + (factors.get(server) ?? 1), 0)
        // A tenth ends, and forty come, by the weights.
        for (const [i, count] of sessions.entries()) sessions[i] = count * 0.9 + (40 * (factors.get(`${i}`) ?? 1)) / all
      }
      const mean = sessions.reduce((sum, count) => sum + count, 0) / sessions.length
      t.ok(
        sessions.every((count) => Math.abs(count - mean) < mean * 0.25 + 2),
        `${first} became ${sessions}`,
      )
    }),
  )
  t.end()
})

/** Reconfigures a plan, and numbers its servers. */
const follow = (plan: Plan, marks: PlanMarks, before: ReadonlyMap<string, number>, isInUse = true) => {
  const numbered = { listener: plan.config.name, servers: plan.servers, departed: plan.departed, marks }
  const numbering = renumber([numbered], before, () => isInUse)
  return { numbering, marks: marksOf(numbered, numbering) }
}
const reconfigured = (plan: Plan, config: Plan['config']): Plan =>
  step(plan, { event: 'reconfigured', at: millis(0), config })[0]

t.test('a renamed server and a renamed listener keep their marks; one that moved gets another', (t) => {
  const plan = startPlan(listenerOf({ on_marked_down: 'keep' }), { adopts: true })
  const first = follow(plan, new Map(), new Map())
  const [a = 0, b = 0] = [first.numbering.get('mysql/a'), first.numbering.get('mysql/b')]
  t.not(a, b)

  const servers = [
    { name: 'x', address: `198.18.1.${'a'.charCodeAt(0)}:3306` },
    { name: 'b', address: '198.18.1.7:3306' },
  ]
  const later = reconfigured(plan, listenerOf({ name: 'sql', on_marked_down: 'keep' }, servers))
  const second = follow(later, first.marks, first.numbering)
  t.equal(second.numbering.get('sql/x'), a)
  t.not(second.numbering.get('sql/b'), b)
  t.ok([...second.numbering.values()].includes(b), 'sessions have it still')
  t.equal(new Set(second.numbering.values()).size, second.numbering.size)

  const third = follow(later, second.marks, second.numbering, false)
  t.notOk([...third.numbering.values()].includes(b), 'nobody has it any more')
  t.end()
})

t.test('who is on no list of the family is not allowed', (t) => {
  const decided = { targets: [], isFull: false, isHandingOver: false }
  const access = (allow: readonly string[]) => listenerOfConfig(listenerOf({ access: { allow } }), decided).access
  t.match(access([]), { allow: [], deny: [] })
  t.match(access(['10.0.0.0/8', 'fd00::/8']), { allow: ['10.0.0.0/8'], deny: [] })
  t.match(access(['fd00::/8']), { allow: [], deny: ['0.0.0.0/0'] })
  t.end()
})

t.test('a live session ends when it has said nothing for as long as is allowed now', (t) => {
  for (const counted of [true, false]) {
    const idle = watchIdleSessions(10, 1)
    const bytes = (count: number) => (counted ? { original: count, reply: 0 } : null)
    const told = (at: number, remaining: number, count: number) =>
      idle.secondsFor({ id: 1, remaining, bytes: bytes(count) }, at * 1000)
    t.equal(told(0, 3600, 5), 10, 'it began with an hour')
    t.equal(told(2, 8, 5), null, 'it goes by itself')
    t.equal(told(4, 3599, 9), 10, 'it said something, and has the hour again')
    t.equal(told(6, 8, 9), null)
    t.equal(idle.endLook(), 1)
    t.equal(idle.endLook(), 0, 'it is gone')
  }
  const longer = watchIdleSessions(3600, 5)
  t.equal(longer.secondsFor({ id: 2, remaining: 9, bytes: { original: 1, reply: 1 } }, 0), 3600)
  t.equal(longer.secondsFor({ id: 2, remaining: 3590, bytes: { original: 1, reply: 1 } }, 10_000), null)
  t.equal(longer.secondsFor({ id: 2, remaining: 8, bytes: { original: 9, reply: 1 } }, 20_000), 3600, 'said something')
  t.end()
})

t.test('what nft leaves out of a policy is what it fills in', (t) => {
  t.equal(policyKey('ip', { established: 432_000, syn_sent: 5, close: 10 }), policyKey('ip', { syn_sent: 5 }))
  t.not(policyKey('ip', { established: 60 }), policyKey('ip', {}))
  t.end()
})

t.test('what ends is what is meant: by mark, by state, by its beginning', async (t) => {
  const ending = { value: 0xb1004001, mask: 0xffffffff, begunBefore: 1000 }
  const live = updateOf(1, 'established')
  t.equal(fateOf(live, 999, ending), 'end')
  t.equal(fateOf(live, null, ending), 'end')
  t.equal(fateOf(live, 1000, ending), 'stay')
  t.equal(fateOf({ ...live, mark: 0xb1004002 }, 1, ending), 'stay')
  t.equal(fateOf({ ...live, mark: 0 }, 1, { ...ending, value: 0xb1000000, mask: 0xff000000 }), 'stay')
  t.equal(fateOf({ ...live, mark: 0xb1008009 }, 1, { ...ending, value: 0xb1000000, mask: 0xff000000 }), 'end')
  t.equal(fateOf(updateOf(1, 'time-wait'), 1, ending), 'stay')
  t.equal(fateOf(updateOf(1, 'close'), 1, ending), 'stay')
  t.equal(fateOf(updateOf(1, 'syn-sent'), 2000, ending), 'withdraw')
})
