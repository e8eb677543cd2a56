import fc from 'fast-check'
import t, { type Test } from 'tap'
import { type Millis, millis } from '../../../../balancer/core/time.ts'
import { initialRouter, nextDeadline, step } from '../../../../balancer/vrrp/core/machine.ts'
import type { Effect, Event, Link, Settings, VirtualRouter } from '../../../../balancer/vrrp/core/state.ts'

type Taken = {
  readonly before: VirtualRouter
  readonly event: Event
  readonly after: VirtualRouter
  readonly effects: readonly Effect[]
}

const settings: fc.Arbitrary<Settings> = fc.record({
  name: fc.constant('VI_1'),
  version: fc.constantFrom<2 | 3>(2, 3),
  priority: fc.integer({ min: 1, max: 255 }),
  interval: fc.constantFrom(10, 1000, 40_000).map(millis),
  preempt: fc.boolean(),
  preemptDelay: fc.constantFrom(0, 2000).map(millis),
  announcements: fc.record({
    repeat: fc.integer({ min: 1, max: 5 }),
    delay: fc.constantFrom(0, 5000).map(millis),
    refresh: fc.option(fc.constant(millis(30_000))),
    refreshRepeat: fc.constant(1),
  }),
})
const link: fc.Arbitrary<Link> = fc.oneof(
  fc.ipV4().map((address) => ({ up: true as const, address })),
  fc.constant({ up: false as const, reason: 'down' }),
)
const priority = fc.integer({ min: 0, max: 255 })
const interval = fc.constantFrom(10, 1000).map(millis)

/** Something that happens at a moment yet to be decided. */
const happening: fc.Arbitrary<(at: Millis) => Event> = fc.oneof(
  { weight: 5, arbitrary: fc.constant((at: Millis): Event => ({ at, event: 'deadline-reached' })) },
  {
    weight: 3,
    arbitrary: fc.tuple(fc.ipV4(), priority, interval).map(
      ([from, heard, announced]) =>
        (at: Millis): Event => ({ at, event: 'advertisement-received', from, priority: heard, interval: announced }),
    ),
  },
  { weight: 2, arbitrary: fc.constant((at: Millis): Event => ({ at, event: 'advertisement-sent' })) },
  { weight: 2, arbitrary: fc.constant((at: Millis): Event => ({ at, event: 'addresses-added' })) },
  fc.constant((at: Millis): Event => ({ at, event: 'addresses-failed', reason: 'refused' })),
  fc.constant((at: Millis): Event => ({ at, event: 'address-lost', address: '192.0.2.1' })),
  fc.constant((at: Millis): Event => ({ at, event: 'shutdown-requested' })),
  fc.option(fc.constant('sync group')).map(
    (reason) =>
      (at: Millis): Event => ({ at, event: 'hold-changed', reason }),
  ),
  fc.constantFrom<'master' | 'backup'>('master', 'backup').map(
    (to) =>
      (at: Millis): Event => ({ at, event: 'group-moved', to, reason: 'sync group' }),
  ),
  interval.map(
    (announced) =>
      (at: Millis): Event => ({
        at,
        event: 'other-version-heard',
        from: '192.0.2.9',
        version: 2,
        interval: announced,
      }),
  ),
  link.map(
    (changed) =>
      (at: Millis): Event => ({ at, event: 'link-changed', link: changed }),
  ),
  fc.tuple(fc.boolean(), link).map(
    ([resume, first]) =>
      (at: Millis): Event => ({ at, event: 'started', resume, link: first }),
  ),
)
/** How far time goes on, in intervals; null: right to the next deadline. */
const passing = fc.oneof(fc.constant(null), fc.double({ min: 0, max: 1, noNaN: true }), fc.constant(10))

const history: fc.Arbitrary<readonly Taken[]> = fc
  .tuple(settings, fc.array(fc.tuple(passing, happening), { minLength: 1, maxLength: 80 }))
  .map(([own, happenings]) => {
    let router = initialRouter(own)
    let now = 0
    return happenings.map(([intervals, happen]) => {
      const before = router
      const ahead = now + (intervals ?? 1) * own.interval
      now = intervals === null ? Math.max(now, nextDeadline(router) ?? ahead) : ahead
      const event = happen(millis(now))
      const [after, effects] = step(before, event)
      router = after
      return { before, event, after, effects }
    })
  })

const always = async (t: Test, claim: (taken: Taken) => boolean): Promise<void> => {
  let steps = 0
  const check = fc.check(
    fc.property(history, (taken) =>
      taken.every((one) => {
        steps += 1
        return claim(one)
      }),
    ),
    { numRuns: 500 },
  )
  t.notOk(check.failed, fc.defaultReportMessage(check) ?? '')
  t.ok(steps > 0)
}
const positions = (effects: readonly Effect[], kind: Effect['effect']): readonly number[] =>
  effects.flatMap((effect, i) => (effect.effect === kind ? [i] : []))

t.test('who leaves the state of master removes the addresses', (t) =>
  always(t, ({ before, after, effects }) => {
    return before.state !== 'master' || after.state === 'master' || positions(effects, 'remove-addresses').length === 1
  }),
)

t.test('addresses are added and renewed by a master only', (t) =>
  always(t, ({ after, effects }) => {
    const wanted = [...positions(effects, 'add-addresses'), ...positions(effects, 'renew-addresses')]
    return wanted.length === 0 || after.state === 'master'
  }),
)

t.test('nothing is sent by backup, fault or init', (t) =>
  always(t, ({ before, effects }) => {
    const spoken = [...positions(effects, 'send-advertisement'), ...positions(effects, 'announce-addresses')]
    return before.state === 'master' || spoken.length === 0
  }),
)

t.test('a mastership is claimed only with the addresses there, and resigned only when it was claimed', (t) =>
  always(t, ({ before, event, effects }) => {
    const speaks = effects.some(({ effect }) => effect === 'send-advertisement')
    const hasAddresses = before.state === 'master' && (before.advertiseAt !== null || event.event === 'addresses-added')
    return !speaks || hasAddresses
  }),
)

t.test('priority 0 goes out before the addresses are removed, and nothing after that', (t) =>
  always(t, ({ effects }) => {
    const [removed = Number.POSITIVE_INFINITY] = positions(effects, 'remove-addresses')
    return positions(effects, 'send-advertisement').every((sent) => sent < removed)
  }),
)

t.test('an early deadline is a no-op, and one that passed is not due again', (t) =>
  always(t, ({ before, event, after, effects }) => {
    if (event.event !== 'deadline-reached') return true
    const [due, next] = [nextDeadline(before), nextDeadline(after)]
    if (due !== null && event.at < due) return after === before && effects.length === 0
    return next === null || next > event.at
  }),
)

t.test('a shutdown ends everything', (t) =>
  always(t, ({ event, after }) => {
    return event.event !== 'shutdown-requested' || (after.state === 'init' && nextDeadline(after) === null)
  }),
)
