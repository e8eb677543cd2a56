import t from 'tap'
import { millis } from '../../../agent/core/time.ts'
import type { Known, Outcome, Probe } from '../../../agent/probe/core/facts.ts'
import { startSchedule } from '../../../agent/probe/schedule.ts'
import { waitFor } from '../../lab/wait-for.ts'
import { facts } from '../samples.ts'

const refused: Outcome = { kind: 'failed', failure: { code: 'connection-refused', text: 'refused', fatal: true } }
const passed: Outcome = { kind: 'answered', facts: facts() }
const hour = 3_600_000

/** A schedule whose probes end when the test says so. */
const start = ({ maxAge = hour, interval = hour, age = 0, took = 1 } = {}) => {
  const waiting: ((outcome: Outcome) => void)[] = []
  const told: Known[] = []
  let most = 0
  let begun = 0
  const probe = () =>
    new Promise<Probe>((resolve) => {
      begun += 1
      const startedAt = millis(performance.now() - age)
      waiting.push((outcome) => resolve({ startedAt, took: millis(took), outcome }))
      most = Math.max(most, waiting.length)
    })
  const schedule = startSchedule({
    probe,
    interval: millis(interval),
    maxAge: millis(maxAge),
    onLook: (known) => told.push(known),
    onKnown: () => {},
  })
  return {
    ...schedule,
    told,
    most: () => most,
    begun: () => begun,
    finish: (outcome: Outcome) => waiting.shift()?.(outcome),
  }
}

t.test('everyone who asks before the first result joins the probe under way', async (t) => {
  const { fresh, finish, stop, most } = start()
  const asked = [fresh(), fresh(), fresh()]
  finish(passed)
  const answers = await Promise.all(asked)
  t.ok(answers.every(({ latest }) => latest?.outcome.kind === 'answered'))
  t.equal(most(), 1)
  stop()
})

t.test('a result is used until it is too old, then a new probe is started', async (t) => {
  const young = start()
  young.finish(passed)
  await waitFor('the first result', () => young.told.length === 1)
  t.equal((await young.fresh()).latest?.outcome.kind, 'answered')
  young.stop()

  const old = start({ maxAge: 0 })
  old.finish(passed)
  await waitFor('the first result', () => old.told.length === 1)
  const asked = old.fresh()
  old.finish(refused)
  t.equal((await asked).latest?.outcome.kind, 'failed')
  old.stop()
})

t.test('under steady requests the next result is made ahead, and nobody waits for it', async (t) => {
  const { fresh, finish, stop, told, begun } = start({ age: 0.6 * hour, took: hour })
  finish(passed)
  await waitFor('the first result', () => told.length === 1)
  for (let i = 0; i < 3; i += 1) t.equal((await fresh()).latest?.outcome.kind, 'answered')
  t.equal(begun(), 2)
  finish(refused)
  await waitFor('the second result', async () => (await fresh()).latest?.outcome.kind === 'failed')
  stop()
})

t.test('the background does not probe where requests have just had a probe, and tells what is known', async (t) => {
  const { finish, stop, told, begun } = start({ interval: 5, age: -hour })
  finish(passed)
  await waitFor('some looks', () => told.length > 5)
  t.equal(begun(), 1)
  t.ok(told.every(({ latest }) => latest?.outcome.kind === 'answered'))
  stop()
})

t.test('a finding that may be old for requests does not keep the background from probing', async (t) => {
  const { finish, stop, begun } = start({ interval: 5, maxAge: hour, age: 5 })
  finish(passed)
  await waitFor('the next probe', () => begun() > 1)
  t.equal(begun(), 2)
  stop()
})

t.test(
  'a probe that our own loop spoiled keeps the last result and marks it as late, until the next one',
  async (t) => {
    const { fresh, finish, stop, told } = start({ maxAge: 0 })
    finish(passed)
    await waitFor('the first result', () => told.length === 1)
    const late = fresh()
    finish({ kind: 'late' })
    t.match(await late, { late: true, latest: { outcome: { kind: 'answered' } } })
    const next = fresh()
    finish(refused)
    t.match(await next, { late: false, latest: { outcome: { kind: 'failed' } } })
    stop()
  },
)

t.test('the background never starts a second probe beside a slow one', async (t) => {
  const { finish, stop, told, most } = start({ interval: 5, age: 5 })
  await new Promise((resolve) => setTimeout(resolve, 50))
  t.equal(most(), 1)
  finish(passed)
  await waitFor('the waiting ticks to be told', () => told.length > 1)
  await waitFor('the next probe', () => {
    finish(passed)
    return told.length > 20
  })
  t.equal(most(), 1)
  stop()
})

t.test(
  'whoever asks while the agent itself is late at its start is answered from a later probe, or told so after three',
  async (t) => {
    const busy = start()
    const asked = busy.fresh()
    busy.finish({ kind: 'late' })
    await waitFor('a second probe', () => busy.begun() === 2)
    busy.finish(passed)
    t.equal((await asked).latest?.outcome.kind, 'answered')
    busy.stop()

    const stuck = start()
    const vain = stuck.fresh()
    for (let tries = 1; tries <= 3; tries += 1) {
      await waitFor('the next probe', () => stuck.begun() === tries)
      stuck.finish({ kind: 'late' })
    }
    t.same(await vain, { latest: null, late: true })
    t.equal(stuck.begun(), 3)
    stuck.stop()
  },
)
