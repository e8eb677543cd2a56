import t from 'tap'
import { millis } from '../../../../../balancer/core/time.ts'
import { type Admission, admissionAt } from '../../../../../balancer/datapath/direct/core/admission.ts'

const open: Admission = { admits: 'all', closedSince: null }
const usual = { hasTarget: true, isHandingOver: false, isFull: false, patience: millis(5000) }

t.test('with a target and room everybody is taken', (t) => {
  t.same(admissionAt({ admits: 'none', closedSince: 3 }, 10_000, usual), open)
  t.end()
})

for (const [why, closed] of Object.entries({ 'without a target': { hasTarget: false }, full: { isFull: true } })) {
  t.test(`${why} clients ask again for timeouts.queue, and are refused then`, (t) => {
    const input = { ...usual, ...closed }
    const first = admissionAt(open, 1000, input)
    t.same(first, { admits: 'later', closedSince: 1000 })
    t.same(admissionAt(first, 5999, input), first)
    t.same(admissionAt(first, 6000, input), { admits: 'none', closedSince: 1000 })
    t.end()
  })
}

t.test('nobody is refused while the writer before has sessions', (t) => {
  const input = { ...usual, hasTarget: false, isHandingOver: true }
  t.equal(admissionAt({ admits: 'later', closedSince: 0 }, 60_000, input).admits, 'later')
  t.end()
})
