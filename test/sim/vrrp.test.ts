import t from 'tap'
import { playScenario } from './scenario.ts'

const scenarios = Number(process.env['SIM_SCENARIOS'] ?? 2000)
const shownLines = 200
const wanted = process.env['SIM_SEED']
const seeds = wanted === undefined ? Array.from({ length: scenarios }, (_, i) => i + 1) : [Number(wanted)]

t.test('after any trouble a whole network has exactly one master, and the right one', async (t) => {
  let transitions = 0
  for (const seed of seeds) {
    const { problem, transcript } = playScenario(seed)
    transitions += transcript.filter((line) => line.includes('Entering')).length
    if (problem !== null) {
      for (const line of transcript.slice(-shownLines)) t.comment(line)
      t.fail(`seed ${seed}: ${problem}; replay: SIM_SEED=${seed} npx tap dist/test/sim/vrrp.test.js`)
      return
    }
  }
  t.ok(transitions > seeds.length, `${transitions} transitions in ${seeds.length} scenarios`)
})

t.test('a seed always tells the same story', async (t) => {
  const [seed = 1] = seeds
  t.same(playScenario(seed), playScenario(seed))
})
