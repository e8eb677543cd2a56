import t from 'tap'
import { failureOf, type Invariant, playScenario } from './scenario.ts'

const scenarios = Number(process.env['SIM_SCENARIOS'] ?? 2000)
const wanted = process.env['SIM_SEED']
const seeds = wanted === undefined ? Array.from({ length: scenarios }, (_, i) => i + 1) : [Number(wanted)]

t.test('after any trouble a whole network has exactly one master, and the right one', async (t) => {
  let transitions = 0
  for (const seed of seeds) {
    const outcome = playScenario(seed)
    transitions += outcome.transcript.filter((line) => line.includes('Entering')).length
    if (outcome.problem !== null) {
      const report = failureOf('vrrp', seed, outcome)
      for (const line of report) t.comment(line)
      t.fail(report.at(-1) ?? '')
      return
    }
  }
  t.ok(transitions > seeds.length, `${transitions} transitions in ${seeds.length} scenarios`)
})

t.test('a seed always tells the same story', async (t) => {
  const [seed = 1] = seeds
  t.same(playScenario(seed), playScenario(seed))
})

t.test('what fails prints a transcript, and its seed plays the same story again', async (t) => {
  // Deliberately wrong: it demands that nobody is master.
  const wrong: Invariant = (hosts) => {
    const master = hosts.find((host) => host.router().state === 'master')
    return master === undefined ? null : `${master.name} is master`
  }
  const seed = 17
  const failed = playScenario(seed, wrong)
  const report = failureOf('vrrp', seed, failed)
  t.match(report.at(-1), /^seed 17: lb\d is master; replay: SIM_SEED=17 /)
  t.ok(report.length > 20, `${report.length} lines`)
  t.ok(
    report.slice(0, -1).every((line) => /^ *\d+\.\d ms {2}lb\d /.test(line)),
    'each line says when, who and what',
  )
  const [, replayed = ''] = report.at(-1)?.match(/SIM_SEED=(\d+)/) ?? []
  t.same(playScenario(Number(replayed), wrong), failed, 'the command that is printed leads to the same failure')
  t.equal(playScenario(seed).problem, null, 'with what is really demanded the seed is fine')
})
