import t from 'tap'
import { playHandovers } from './handover-scenario.ts'
import { failureOf } from './scenario.ts'

const scenarios = Number(process.env['SIM_SCENARIOS'] ?? 1000)
const wanted = process.env['SIM_SEED']
const seeds = wanted === undefined ? Array.from({ length: scenarios }, (_, i) => i + 1) : [Number(wanted)]

t.test('masters hand over without a gap, without two that forward, and without flapping', async (t) => {
  let handovers = 0
  for (const seed of seeds) {
    const outcome = playHandovers(seed)
    handovers += outcome.transcript.filter((line) => line.includes('-> leaving')).length
    if (outcome.problem !== null) {
      const report = failureOf('handover', seed, outcome)
      for (const line of report) t.comment(line)
      t.fail(report.at(-1) ?? '')
      return
    }
  }
  t.ok(wanted !== undefined || handovers > seeds.length, `${handovers} hand-overs in ${seeds.length} scenarios`)
})
