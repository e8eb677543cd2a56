// A hundred thousand simulated networks of each kind: some minutes of one processor.

import t from 'tap'
import { playHandovers } from '../sim/handover-scenario.ts'
import { failureOf, playScenario } from '../sim/scenario.ts'

const scenarios = 100_000
const limit = 3_600_000
const kinds = [
  ['vrrp', 'end with exactly one master, and the right one', playScenario],
  ['handover', 'hand over without a gap, without two that forward, and without flapping', playHandovers],
] as const
t.setTimeout(limit)

for (const [name, claim, play] of kinds) {
  t.test(`${scenarios} scenarios ${claim}`, { timeout: limit }, async (t) => {
    for (let seed = 1; seed <= scenarios; seed += 1) {
      const outcome = play(seed)
      if (outcome.problem === null) continue
      const report = failureOf(name, seed, outcome)
      for (const line of report) t.comment(line)
      t.fail(report.at(-1) ?? '')
    }
    t.pass(`${scenarios} scenarios`)
  })
}
