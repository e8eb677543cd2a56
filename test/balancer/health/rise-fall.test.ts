import fc from 'fast-check'
import t from 'tap'
import { afterCheck, type HealthCounter, isUp } from '../../../balancer/health/core/rise-fall.ts'

const thresholds = { rise: 2, fall: 3 }
const pass = { passed: true, hard: false }
const soft = { passed: false, hard: false }
const hard = { passed: false, hard: true }

t.test('every step of the counter with rise 2 and fall 3', async (t) => {
  const table: readonly (readonly [HealthCounter, typeof pass, number])[] = [
    [null, pass, 4],
    [null, soft, 0],
    [null, hard, 0],
    [0, pass, 1],
    [1, pass, 4],
    [2, pass, 4],
    [3, pass, 4],
    [4, pass, 4],
    [4, soft, 3],
    [3, soft, 2],
    [2, soft, 0],
    [1, soft, 0],
    [0, soft, 0],
    [4, hard, 0],
    [2, hard, 0],
    [1, hard, 0],
    [0, hard, 0],
  ]
  for (const [counter, outcome, expected] of table) {
    t.equal(afterCheck(counter, thresholds, outcome), expected, `${counter} ${JSON.stringify(outcome)}`)
  }
})

t.test('a server is down before its first check', async (t) => {
  t.notOk(isUp(null, thresholds))
})

t.test('with rise 1 and fall 1 every check decides', async (t) => {
  const one = { rise: 1, fall: 1 }
  t.ok(isUp(afterCheck(0, one, pass), one))
  t.notOk(isUp(afterCheck(1, one, soft), one))
})

t.test(
  'for all thresholds: `fall` soft failures take a healthy server down, one fewer does not; `rise` bring it back',
  async (t) => {
    const check = fc.property(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 20 }), (rise, fall) => {
      const some = { rise, fall }
      const times = (count: number, start: HealthCounter, outcome: typeof pass): HealthCounter =>
        Array.from({ length: count }).reduce<HealthCounter>((counter) => afterCheck(counter, some, outcome), start)
      const full = rise + fall - 1
      const down = times(fall, full, soft)
      return (
        isUp(times(fall - 1, full, soft), some) &&
        !isUp(down, some) &&
        !isUp(times(rise - 1, down, pass), some) &&
        isUp(times(rise, down, pass), some)
      )
    })
    fc.assert(check)
    t.pass('held for all generated thresholds')
  },
)
