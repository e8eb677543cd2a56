import fc from 'fast-check'
import t from 'tap'
import { millis } from '../../../agent/core/time.ts'
import { type Arrivals, afterLook, galeraQueues, groupQueues } from '../../../agent/probe/core/backlog.ts'

const second = 1000
/** The delay after the last of these looks, one a second: what was applied, and what waits. */
const delayAfter = (...looks: readonly (readonly [number, number])[]): number => {
  let arrivals: Arrivals = []
  let delay = 0
  for (const [i, [applied, applying]] of looks.entries()) {
    const look = afterLook(arrivals, millis(i * second), { applied, applying, certifying: null })
    arrivals = look.arrivals
    delay = look.delay
  }
  return delay
}

t.test('the delay is how long the oldest waiting transaction has been seen to wait', async (t) => {
  t.equal(delayAfter([5, 0], [5, 0]), 0, 'nothing waits')
  t.equal(delayAfter([5, 3]), 0, 'seen for the first time')
  t.equal(delayAfter([5, 3], [5, 3], [5, 4]), 2, 'the applier stands still')
  t.equal(
    delayAfter([5, 3], [6, 3], [7, 3], [8, 3], [9, 3]),
    2,
    'it works, three looks behind: what is applied now came later',
  )
  t.equal(delayAfter([5, 1], [6, 1], [7, 1]), 0, 'it keeps up')
  t.equal(delayAfter([5, 9], [5, 9], [14, 0]), 0, 'it has caught up')
  t.equal(delayAfter([900, 9], [900, 9], [0, 1], [0, 1]), 1, 'the server was started again')
})

t.test('the delay never says more than is true, and at most one look less', async () => {
  const step = fc.record({ arrived: fc.nat(5), applied: fc.nat(6) })
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 60 }), (steps) => {
      const arrivedAt: number[] = []
      let applied = 0
      let arrivals: Arrivals = []
      return steps.every((one, i) => {
        for (let n = 0; n < one.arrived; n += 1) arrivedAt.push(i)
        applied = Math.min(arrivedAt.length, applied + one.applied)
        const queues = { applied, applying: arrivedAt.length - applied, certifying: null }
        const look = afterLook(arrivals, millis(i * second), queues)
        arrivals = look.arrivals
        return look.delay === (applied === arrivedAt.length ? 0 : i - (arrivedAt[applied] ?? 0))
      })
    }),
  )
})

t.test('an applier that never moves costs no more memory with time', async (t) => {
  let arrivals: Arrivals = []
  for (let i = 0; i < 20_000; i += 1) {
    const look = afterLook(arrivals, millis(i), { applied: 1, applying: 1 + i, certifying: null })
    arrivals = look.arrivals
    if (look.delay !== i / second) t.fail(`${look.delay} s after look ${i}`)
  }
  t.ok(arrivals.length <= 1000, `${arrivals.length}`)
})

t.test('the queues are read from what each kind of member tells', async (t) => {
  t.same(galeraQueues({ wsrep_received: '12', wsrep_local_recv_queue: '3' }), {
    applied: 12,
    applying: 3,
    certifying: null,
  })
  t.equal(galeraQueues({ wsrep_received: '12' }), null)
  const own = {
    member_id: 'u',
    count_transactions_remote_applied: '7',
    count_transactions_remote_in_applier_queue: '2',
    count_transactions_in_queue: '1',
  }
  t.same(groupQueues({ server_uuid: 'u' }, [{ member_id: 'other' }, own]), { applied: 7, applying: 2, certifying: 1 })
  t.equal(groupQueues({ server_uuid: 'u' }, [{ member_id: 'u', count_transactions_in_queue: '1' }]), null, 'MySQL 5.7')
  t.equal(groupQueues({ server_uuid: 'u' }, []), null)
})
