import t from 'tap'
import { type Millis, millis } from '../../../balancer/core/time.ts'
import { monotonicNow } from '../../../balancer/os/clock.ts'
import { createAbsence } from '../../../balancer/supervisor/absence.ts'
import { routerFact } from '../pool/router-fact.ts'

const ago = (past: number): Millis => millis(monotonicNow() - past)
const never = millis(1_000_000)

const masterWith = (interval: number) => routerFact({ advertisementInterval: millis(interval) })

/** An absence of a process that had one instance as master; `ended` settles a hand-over. */
const stage = (interval: number, masters = [masterWith(interval)]) => {
  const begun: AbortSignal[] = []
  let onBegin = (): void => {}
  const hasBegun = new Promise<void>((resolve) => {
    onBegin = resolve
  })
  let ended = (): void => {}
  const absence = createAbsence({
    masters: () => masters,
    handOver: (_, back) => {
      begun.push(back)
      onBegin()
      return new Promise((resolve) => {
        ended = resolve
      })
    },
  })
  return { absence, begun, hasBegun, ended: () => ended() }
}

t.test('who will not be back in time is stood in for at once', async (t) => {
  const { absence, begun, hasBegun, ended } = stage(100)
  absence.begin(ago(0), never)
  await hasBegun
  t.equal(begun.length, 1)
  ended()
})

t.test('more deaths while it is away put nothing off, and begin nothing twice', async (t) => {
  const interval = 1_000_000
  const { absence, begun, hasBegun, ended } = stage(interval)
  absence.begin(ago(3 * interval), millis(0))
  absence.begin(ago(0), millis(0))
  await hasBegun
  absence.begin(ago(0), never)
  t.equal(begun.length, 1)
  t.notOk(begun[0]?.aborted)
  ended()
})

t.test('who is back sees to it alone, also when the hand-over has begun', async (t) => {
  const early = stage(1_000_000)
  early.absence.begin(ago(0), millis(0))
  early.absence.end()
  t.equal(early.begun.length, 0)
  const late = stage(100)
  late.absence.begin(ago(0), never)
  await late.hasBegun
  late.absence.end()
  t.ok(late.begun[0]?.aborted)
})

t.test('a stop hands over what a dead process left, and waits for that', async (t) => {
  for (const prepare of ['dead', 'told', 'killed'] as const) {
    const { absence, begun, hasBegun, ended } = stage(1_000_000)
    if (prepare === 'dead') absence.begin(ago(0), millis(0))
    if (prepare === 'told') absence.begin(ago(0), millis(10_000_000))
    if (prepare === 'told') await hasBegun
    let isOver = false
    const over = absence.conclude().then(() => {
      isOver = true
    })
    await hasBegun
    t.notOk(isOver, prepare)
    ended()
    await over
    t.equal(begun.length, 1, prepare)
  }
  const backup = stage(100, [])
  await backup.absence.conclude()
  t.equal(backup.begun.length, 0, 'a backup left nothing')
})
