import fc from 'fast-check'
import t from 'tap'
import { counted, initialCount } from '../../../../balancer/vrrp/core/rise-fall.ts'
import { isSameStanding, standingOf, type Tracked, unionOf } from '../../../../balancer/vrrp/core/tracking.ts'

const thing = (name: string, weight: number, ok: boolean | null, value?: number): Tracked => ({
  name,
  weight,
  ok,
  text: ok === false ? 'broken' : '',
  ...(value === undefined ? {} : { value }),
})

t.test('weights are counted as keepalived counts them', async (t) => {
  const cases: readonly (readonly [string, number, readonly Tracked[], number, string | null])[] = [
    ['nothing tracked', 100, [], 100, null],
    ['weight 0 succeeding', 100, [thing('a', 0, true)], 100, null],
    ['weight 0 failing', 100, [thing('a', 0, false)], 100, 'a: broken'],
    ['negative, failing', 101, [thing('a', -2, false)], 99, null],
    ['negative, succeeding', 101, [thing('a', -2, true)], 101, null],
    ['positive, succeeding', 100, [thing('a', 5, true)], 105, null],
    ['positive, failing', 100, [thing('a', 5, false)], 100, null],
    ['unknown, of any weight', 100, [thing('a', 0, null), thing('b', -5, null), thing('c', 5, null)], 100, null],
    ['several', 100, [thing('a', -5, false), thing('b', 7, true)], 102, null],
    ['below the lowest', 10, [thing('a', -253, false)], 1, null],
    ['above the highest', 250, [thing('a', 100, true)], 254, null],
    ['the owner does not move', 255, [thing('a', -100, false)], 255, null],
    ['the owner can be in fault', 255, [thing('a', 0, false)], 255, 'a: broken'],
    ['two faults', 100, [thing('a', 0, false), thing('b', 0, false)], 100, 'a: broken; b: broken'],
    ['a file', 100, [thing('f', 2, true, -10)], 80, null],
    ['a file of weight 0', 100, [thing('f', 0, false, 3)], 100, 'f: broken'],
    ['a file far below', 100, [{ ...thing('f', -2, true, 127), text: 'its number is 127' }], 1, 'f: its number is 127'],
  ]
  for (const [name, configured, tracked, priority, fault] of cases) {
    t.match(standingOf(configured, tracked), { priority, fault }, name)
  }
})

t.test('what other hosts are likely to lose too is told apart', async (t) => {
  const shared = { ...thing('no server up', -50, false), isShared: true }
  t.match(standingOf(100, [shared, thing('a', -5, false)]), { priority: 45, sharedLoss: 50 })
  t.match(standingOf(100, [{ ...shared, ok: null }, thing('a', -5, false)]), { priority: 95, sharedLoss: 0 })
  t.match(standingOf(255, [shared]), { priority: 255, sharedLoss: 0 }, 'the owner loses nothing')
})

const anyTracked = fc.record({
  name: fc.constantFrom('a', 'b', 'c', 'd'),
  weight: fc.integer({ min: -253, max: 253 }),
  ok: fc.constantFrom(true, false, null),
  text: fc.constant('why'),
})

t.test('an effective priority is always the sum of its parts and within bounds', async (t) => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 255 }), fc.array(anyTracked), (configured, tracked) => {
      const { priority, parts, fault } = standingOf(configured, tracked)
      const sum = parts.reduce((total, { value }) => total + value, 0)
      const isFault = tracked.some(({ weight, ok }) => weight === 0 && ok === false)
      return (
        sum === priority &&
        (configured === 255 ? priority === 255 : priority >= 1 && priority <= 254) &&
        (fault !== null) === isFault
      )
    }),
  )
  t.pass()
})

t.test('the members of a sync group share one standing, and each thing counts once', async (t) => {
  fc.assert(
    fc.property(fc.array(fc.array(anyTracked)), (members) => {
      const union = unionOf(members)
      const names = union.map(({ name }) => name)
      return new Set(names).size === names.length && members.flat().every(({ name }) => names.includes(name))
    }),
  )
  const union = unionOf([
    [thing('a', -2, false)],
    [thing('a', -5, false), thing('b', 0, false)],
    [thing('b', -9, false)],
  ])
  t.match(standingOf(100, union), { priority: 95, fault: 'b: broken' })
})

t.test('a standing is the same only with the same parts', async (t) => {
  const one = standingOf(100, [thing('a', 5, true)])
  t.ok(isSameStanding(one, standingOf(100, [thing('a', 5, true)])))
  t.notOk(isSameStanding(one, standingOf(105, [])))
  t.notOk(isSameStanding(one, standingOf(100, [thing('b', 5, true)])))
})

const after = (results: string, initFail: boolean, limits: { rise: number; fall: number }) =>
  [...results].reduce((count, result) => counted(count, result === '+', limits), initialCount(initFail)).ok

t.test('rise and fall count results in a row', async (t) => {
  const limits = { rise: 2, fall: 3 }
  const cases: readonly (readonly [string, boolean, boolean | null])[] = [
    ['', false, null],
    ['', true, false],
    ['+', false, true],
    ['-', false, false],
    ['+', true, false],
    ['++', true, true],
    ['+--', false, true],
    ['+---', false, false],
    ['+--+--', false, true],
    ['-+', false, false],
    ['-++', false, true],
    ['-+-+', false, false],
  ]
  for (const [results, initFail, expected] of cases) t.equal(after(results, initFail, limits), expected, results)
})

t.test('only rise successes, or fall failures, at the end of any history decide it', async (t) => {
  const limit = fc.integer({ min: 1, max: 5 })
  fc.assert(
    fc.property(fc.array(fc.constantFrom('+', '-')), limit, limit, (history, rise, fall) => {
      const text = history.join('')
      return (
        after(text + '+'.repeat(rise), true, { rise, fall }) === true &&
        after(text + '-'.repeat(fall), false, { rise, fall }) === false
      )
    }),
  )
  t.pass()
})
