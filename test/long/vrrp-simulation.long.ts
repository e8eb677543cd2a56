// A hundred thousand simulated networks: some minutes of one processor.

import t from 'tap'
import { playScenario } from '../sim/scenario.ts'

const scenarios = 100_000
const limit = 3_600_000
t.setTimeout(limit)

t.test(`${scenarios} scenarios end with exactly one master, and the right one`, async (t) => {
  for (let seed = 1; seed <= scenarios; seed += 1) {
    const { problem, transcript } = playScenario(seed)
    if (problem === null) continue
    t.comment(transcript.join('\n'))
    t.fail(`seed ${seed}: ${problem}; replay: SIM_SEED=${seed} npx tap dist/test/sim/vrrp.test.js`)
  }
  t.pass(`${scenarios} scenarios`)
})
