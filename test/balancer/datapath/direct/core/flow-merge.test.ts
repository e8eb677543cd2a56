import fc from 'fast-check'
import t from 'tap'
import { millis } from '../../../../../balancer/core/time.ts'
import type { Flow, FlowState } from '../../../../../balancer/datapath/direct/core/flow-book.ts'
import { mergeTold } from '../../../../../balancer/datapath/direct/core/flow-merge.ts'
import { hour, keyOf, minute, second } from './flow-looks.ts'

const now = millis(100 * hour)
/** An own flow whose client was heard so long ago. */
const own = (number: number, idle: number, state: FlowState = 'live'): Flow => ({
  key: keyOf(1),
  number,
  state,
  begunAfter: millis(0),
  begunBy: millis(0),
  heardAt: millis(now - idle),
  expiresAt: millis(now - idle + (state === 'live' ? 8 * hour : minute)),
})
const told = (number: number, idle: number, timeout = 8 * hour) => ({
  number,
  idle: millis(idle),
  timeout: millis(timeout),
})

t.test('a session that is not known here is added with what is left of it', async (t) => {
  t.same(mergeTold(null, told(2, hour), now), { kind: 'add', number: 2, timeout: 8 * hour, expires: 7 * hour })
  t.same(mergeTold(own(1, 9 * hour), told(2, hour), now), {
    kind: 'add',
    number: 2,
    timeout: 8 * hour,
    expires: 7 * hour,
  })
  t.same(mergeTold(null, told(2, 8 * hour), now), { kind: 'keep-own', knows: 'nothing-better' }, 'unless it is over')
})

t.test('of two that differ the one is right who heard the client last', async (t) => {
  t.match(mergeTold(own(1, minute), told(2, second), now), { kind: 'replace', number: 2, expires: 8 * hour - second })
  t.same(mergeTold(own(1, second), told(2, minute), now), { kind: 'keep-own', knows: 'another-server' })
  t.same(
    mergeTold(own(1, minute), told(2, minute), now),
    { kind: 'keep-own', knows: 'another-server' },
    'the own one of equals',
  )
  t.same(mergeTold(own(1, second, 'attempt'), told(2, minute), now), { kind: 'keep-own', knows: 'nothing-better' })
})

t.test('what is the same is prolonged, and not for the time that telling takes', async (t) => {
  t.match(mergeTold(own(1, minute), told(1, second), now), { kind: 'replace', number: 1, expires: 8 * hour - second })
  t.same(mergeTold(own(1, minute), told(1, minute - 900), now), { kind: 'keep-own', knows: 'nothing-better' })
  t.same(mergeTold(own(1, second), told(1, minute), now), { kind: 'keep-own', knows: 'nothing-better' })
})

t.test('what was ended or closed here stays so, unless the client was heard there after that', async (t) => {
  for (const state of ['ended', 'closing'] as const) {
    t.match(mergeTold(own(1, 30 * second, state), told(1, second), now), { kind: 'replace' })
    t.match(mergeTold(own(1, 3 * second, state), told(2, second), now), { kind: 'replace' })
    const merged = mergeTold(own(1, 3 * second, state), told(1, second), now)
    t.same(merged, { kind: 'keep-own', knows: 'it-is-over' }, 'what travelled seems younger than it is')
    for (const number of [1, 2]) {
      const merged = mergeTold(own(1, 30 * second, state), told(number, minute), now)
      t.same(merged, { kind: 'keep-own', knows: 'it-is-over' })
    }
  }
})

t.test('two that tell each other agree, whoever begins', async () => {
  const flow = fc.record({ number: fc.integer({ min: 1, max: 3 }), idle: fc.integer({ min: 0, max: 8 * hour - 1 }) })
  /** What a balancer has after it was told of another one's flow. */
  const after = (mine: { readonly number: number; readonly idle: number }, theirs: typeof mine): typeof mine => {
    const merge = mergeTold(own(mine.number, mine.idle), told(theirs.number, theirs.idle), now)
    return merge.kind === 'keep-own' ? mine : { number: merge.number, idle: merge.timeout - merge.expires }
  }
  fc.assert(
    fc.property(flow, flow, (a, b) => {
      if (a.idle === b.idle && a.number !== b.number) return true
      const first = after(a, b)
      const agreed = after(b, first)
      const other = after(b, a)
      return first.number === agreed.number && after(a, other).number === other.number && first.number === other.number
    }),
  )
})
