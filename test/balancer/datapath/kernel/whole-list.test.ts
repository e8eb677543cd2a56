import t from 'tap'
import { untilWhole } from '../../../../balancer/datapath/kernel/whole-list.ts'
import { type Outcome, refused } from '../../../../balancer/os/outcome.ts'

/** Lists that end as told, of two entries each, and how many were made. */
const listing = async (...ends: readonly ('torn' | 'whole' | 'refused')[]) => {
  let lists = 0
  const outcome: Outcome<number> = await untilWhole(async () => {
    const end = ends[lists] ?? 'torn'
    lists += 1
    return end === 'refused' ? refused('EPERM', 'no') : { ok: true, value: { used: 2, isTorn: end === 'torn' } }
  })
  return { outcome, lists }
}

t.test('what a torn list lacked is found by the next one', async (t) => {
  t.same(await listing('whole'), { outcome: { ok: true, value: 2 }, lists: 1 })
  t.same(await listing('torn', 'torn', 'whole'), { outcome: { ok: true, value: 6 }, lists: 3 })
})

t.test('a list that fails, and one that is torn each time, are refused', async (t) => {
  t.match(await listing('torn', 'refused', 'whole'), { outcome: { ok: false, code: 'EPERM' }, lists: 2 })
  t.match(await listing(), { outcome: { ok: false, code: 'EAGAIN' }, lists: 4 })
})
