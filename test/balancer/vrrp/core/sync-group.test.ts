import fc from 'fast-check'
import t from 'tap'
import { millis } from '../../../../balancer/core/time.ts'
import { initialRouter, step } from '../../../../balancer/vrrp/core/machine.ts'
import type { Happening, Settings, VirtualRouter } from '../../../../balancer/vrrp/core/state.ts'
import { groupNews } from '../../../../balancer/vrrp/core/sync-group.ts'

const settings = (name: string): Settings => ({
  name,
  version: 3,
  priority: 100,
  interval: millis(1000),
  preempt: true,
  preemptDelay: millis(0),
  announcements: { repeat: 5, delay: millis(5000), refresh: null, refreshRepeat: 1 },
})
const link = { up: true, address: '192.0.2.5' } as const
const noLink = { up: false, reason: 'eth0 is down' } as const

/** A group of three whose members are told of each other as the driver tells them. */
const group = () => {
  const members: VirtualRouter[] = ['A', 'B', 'C'].map((name) => initialRouter(settings(name)))
  let now = 0
  let told = 0
  const dispatch = (i: number, happening: Happening): void => {
    const before = members[i]
    if (before === undefined) return
    const [after] = step(before, { ...happening, at: millis(now) })
    members[i] = after
    if (after === before) return
    told += 1
    if (told > 1000) throw new Error('the group never comes to rest')
    for (const news of groupNews('G', [...members], i, before.state)) dispatch(news.member, news.happening)
  }
  return {
    dispatch: (i: number, happening: Happening, later: number) => {
      now += later
      told = 0
      dispatch(i, happening)
    },
    states: () => members.map(({ state }) => state),
    /** Whether one that leaves does so to be maintained. */
    isMaintained: () => members.some((member) => member.state === 'leaving' && member.next === 'fault'),
    held: () => members.map(({ held }) => held),
  }
}
const started = (resume = false): Happening => ({ event: 'started', resume, link })
const everyone = [0, 1, 2]

t.test('one that becomes master takes the others with it, and one that yields too', async (t) => {
  const { dispatch, states } = group()
  for (const i of everyone) dispatch(i, started(), 0)
  t.same(states(), ['backup', 'backup', 'backup'])
  dispatch(1, { event: 'deadline-reached' }, 4000)
  t.same(states(), ['master', 'master', 'master'])
  dispatch(2, { event: 'advertisement-received', from: '192.0.2.9', priority: 200, interval: millis(1000) }, 10)
  t.same(states(), ['backup', 'backup', 'backup'])
})

t.test('one in fault holds all, and its recovery frees them', async (t) => {
  const { dispatch, states, held } = group()
  for (const i of everyone) dispatch(i, started(i === 0), 0)
  t.same(states(), ['master', 'master', 'master'], 'who starts beside a master is one')
  dispatch(2, { event: 'link-changed', link: noLink }, 10)
  t.same(states(), ['fault', 'fault', 'fault'])
  t.same(held(), ['sync group G: C is in fault', 'sync group G: C is in fault', null])
  dispatch(0, { event: 'link-changed', link: noLink }, 10)
  dispatch(2, { event: 'link-changed', link }, 10)
  t.same(states(), ['fault', 'fault', 'fault'], 'as long as any is in trouble')
  dispatch(0, { event: 'link-changed', link }, 10)
  t.same(states(), ['backup', 'backup', 'backup'])
})

t.test('a member that hands over leaves the others master until it has a successor', async (t) => {
  const { dispatch, states } = group()
  for (const i of everyone) dispatch(i, started(i === 0), 0)
  for (const i of everyone) dispatch(i, { event: 'addresses-added' }, 1)
  dispatch(0, { event: 'handover-ordered' }, 10)
  t.same(states(), ['leaving', 'master', 'master'])
  dispatch(0, { event: 'advertisement-received', from: '192.0.2.9', priority: 50, interval: millis(1000) }, 800)
  t.same(states(), ['backup', 'leaving', 'leaving'], 'these hand over too')
  dispatch(1, { event: 'deadline-reached' }, 4000)
  t.same(states(), ['backup', 'backup', 'leaving'], 'and do not stay, even if nobody comes')
})

t.test('one that stays has the others stay', async (t) => {
  const { dispatch, states } = group()
  for (const i of everyone) dispatch(i, started(i === 0), 0)
  for (const i of everyone) dispatch(i, { event: 'addresses-added' }, 1)
  dispatch(0, { event: 'handover-ordered' }, 10)
  dispatch(1, { event: 'advertisement-received', from: '192.0.2.9', priority: 150, interval: millis(1000) }, 10)
  t.same(states(), ['leaving', 'backup', 'leaving'])
  dispatch(1, { event: 'deadline-reached' }, 3800)
  t.same(states(), ['master', 'master', 'master'])
})

t.test('a group that is to be maintained: each member keeps its addresses until they have a successor', async (t) => {
  const { dispatch, states } = group()
  for (const i of everyone) dispatch(i, started(i === 0), 0)
  for (const i of everyone) dispatch(i, { event: 'addresses-added' }, 0)
  for (const i of everyone) {
    dispatch(i, { event: 'standing-changed', priority: 100, fault: 'maintenance', isPlanned: true }, 0)
  }
  t.same(states(), ['leaving', 'leaving', 'leaving'])
  const successor = {
    event: 'advertisement-received',
    from: '192.0.2.9',
    priority: 50,
    interval: millis(1000),
  } as const
  dispatch(1, successor, 900)
  t.same(states(), ['leaving', 'fault', 'leaving'])
  dispatch(0, successor, 1)
  dispatch(2, successor, 1)
  t.same(states(), ['fault', 'fault', 'fault'])
  for (const i of [2, 0, 1]) dispatch(i, { event: 'standing-changed', priority: 100, fault: null, isPlanned: true }, 10)
  t.same(states(), ['backup', 'backup', 'backup'])
})

t.test('whatever happens to whom, none is master beside a backup, and none takes part beside a fault', async (t) => {
  let runs = 0
  const alone: fc.Arbitrary<Happening> = fc.oneof(
    fc.constant<Happening>({ event: 'deadline-reached' }),
    fc.constant<Happening>({ event: 'addresses-added' }),
    fc.constant<Happening>({ event: 'addresses-failed', reason: 'refused' }),
    fc.constant<Happening>({ event: 'handover-ordered' }),
    fc.constantFrom(link, noLink).map((changed): Happening => ({ event: 'link-changed', link: changed })),
    fc.constantFrom(0, 50, 100, 200).map((priority): Happening => {
      return { event: 'advertisement-received', from: '192.0.2.9', priority, interval: millis(1000) }
    }),
  )
  const together: fc.Arbitrary<Happening> = fc.oneof(
    fc.constant<Happening>({ event: 'addresses-added' }),
    fc.constant<Happening>({ event: 'handover-ordered' }),
    fc.constant<Happening>({ event: 'handover-revoked' }),
    fc.constantFrom(40, 100, 150).map((priority): Happening => {
      return { event: 'standing-changed', priority, fault: null, isPlanned: false }
    }),
    fc.boolean().map((isPlanned): Happening => {
      return { event: 'standing-changed', priority: 100, fault: 'a check fails', isPlanned }
    }),
  )
  const history = fc.array(
    fc.tuple(
      fc.oneof(
        fc.tuple(fc.constantFrom(...everyone.map((i) => [i])), alone),
        fc.tuple(fc.constant(everyone), together),
      ),
      fc.constantFrom(0, 100, 4000),
    ),
    { maxLength: 60 },
  )
  fc.assert(
    fc.property(history, (happenings) => {
      const { dispatch, states, isMaintained } = group()
      for (const i of everyone) dispatch(i, started(), 0)
      for (const [[members, happened], later] of happenings) {
        for (const i of members) {
          dispatch(i, happened, i === members[0] ? later : 0)
          const now = new Set(states())
          // The addresses of one that leaves are still there for those who come, unless it must not serve.
          if (!now.has('fault') || isMaintained()) now.delete('leaving')
          if (now.size > 1) return false
        }
        runs += 1
      }
      return true
    }),
    { numRuns: 500 },
  )
  t.ok(runs > 500, `${runs} steps`)
})
