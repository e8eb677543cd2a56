import t from 'tap'
import { playHandovers } from './handover-scenario.ts'

const scenarios = Number(process.env['SIM_SCENARIOS'] ?? 1000)
const shownLines = 200
const wanted = process.env['SIM_SEED']
const seeds = wanted === undefined ? Array.from({ length: scenarios }, (_, i) => i + 1) : [Number(wanted)]

t.test('masters hand over without a gap, without two that forward, and without flapping', async (t) => {
  let handovers = 0
  for (const seed of seeds) {
    const { problem, transcript } = playHandovers(seed)
    handovers += transcript.filter((line) => line.includes('-> leaving')).length
    if (problem !== null) {
      for (const line of transcript.slice(-shownLines)) t.comment(line)
      t.fail(`seed ${seed}: ${problem}; replay: SIM_SEED=${seed} npx tap dist/test/sim/handover.test.js`)
      return
    }
  }
  t.ok(wanted !== undefined || handovers > seeds.length, `${handovers} hand-overs in ${seeds.length} scenarios`)
})
