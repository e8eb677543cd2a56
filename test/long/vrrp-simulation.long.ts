// A hundred thousand simulated networks: some minutes of one processor.

import t from 'tap'
import { failureOf, playScenario } from '../sim/scenario.ts'

const scenarios = 100_000
const limit = 3_600_000
t.setTimeout(limit)

t.test(`${scenarios} scenarios end with exactly one master, and the right one`, async (t) => {
  for (let seed = 1; seed <= scenarios; seed += 1) {
    const outcome = playScenario(seed)
    if (outcome.problem === null) continue
    const report = failureOf(seed, outcome)
    for (const line of report) t.comment(line)
    t.fail(report.at(-1) ?? '')
  }
  t.pass(`${scenarios} scenarios`)
})
