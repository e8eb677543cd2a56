import fc from 'fast-check'
import t, { type Test } from 'tap'
import { type Millis, millis } from '../../../../balancer/core/time.ts'
import { initialRouter, nextDeadline, step } from '../../../../balancer/vrrp/core/machine.ts'
import type { Effect, Event, Link, Regrouping, Settings, VirtualRouter } from '../../../../balancer/vrrp/core/state.ts'
import { outranks, ownMasterDown } from '../../../../balancer/vrrp/core/transitions.ts'

type Happen = (at: Millis) => Event
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
const regrouping: fc.Arbitrary<Regrouping | undefined> = fc.oneof(
  { weight: 3, arbitrary: fc.constant(undefined) },
  fc.record({
    master: fc.option(fc.record({ from: fc.ipV4(), priority: fc.integer({ min: 1, max: 255 }), interval })),
  }),
)
const trouble = fc.option(fc.constant('a check fails'), { freq: 1 })

/** Something that happens at a moment yet to be decided. */
const happening: fc.Arbitrary<Happen> = fc.oneof(
  { weight: 5, arbitrary: fc.constant((at: Millis): Event => ({ at, event: 'deadline-reached' })) },
  {
    weight: 3,
    arbitrary: fc.tuple(fc.ipV4(), priority, interval).map(
      ([from, heard, announced]) =>
        (at: Millis): Event => ({ at, event: 'advertisement-received', from, priority: heard, interval: announced }),
    ),
  },
  { weight: 2, arbitrary: fc.constant((at: Millis): Event => ({ at, event: 'advertisement-sent' })) },
  { weight: 1, arbitrary: fc.constant((at: Millis): Event => ({ at, event: 'advertisement-failed' })) },
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
  fc.record({ priority: fc.integer({ min: 1, max: 254 }), fault: trouble, isPlanned: fc.boolean() }).map(
    (standing) =>
      (at: Millis): Event => ({ at, event: 'standing-changed', ...standing }),
  ),
  fc.constantFrom<'handover-ordered' | 'handover-revoked'>('handover-ordered', 'handover-revoked').map(
    (event) =>
      (at: Millis): Event => ({ at, event }),
  ),
  fc.tuple(settings, regrouping).map(
    ([changed, moves]) =>
      (at: Millis): Event => ({ at, event: 'reconfigured', settings: changed, regrouping: moves }),
  ),
  interval.map(
    (announced) =>
      (at: Millis): Event => ({
        at,
        event: 'deaf-master-heard',
        from: '192.0.2.9',
        priority: 100,
        differs: 'speaks version 2, ours is 3',
        isYieldedTo: true,
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

/** How a router becomes master; without it few histories would come so far. */
const rise: readonly (readonly [number | null, Happen])[] = [
  [0, (at) => ({ at, event: 'started', resume: false, link: { up: true, address: '192.0.2.5' } })],
  [null, (at) => ({ at, event: 'deadline-reached' })],
  [0, (at) => ({ at, event: 'addresses-added' })],
]

const history: fc.Arbitrary<readonly Taken[]> = fc
  .tuple(settings, fc.boolean(), fc.array(fc.tuple(passing, happening), { minLength: 1, maxLength: 80 }))
  .map(([own, isRising, happenings]) => {
    let router = initialRouter(own)
    let now = 0
    return [...(isRising ? rise : []), ...happenings].map(([intervals, happen]) => {
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
  const seen = new Set<string>()
  const check = fc.check(
    fc.property(history, (taken) =>
      taken.every((one) => {
        seen.add(one.before.state)
        return claim(one)
      }),
    ),
    { numRuns: 1000 },
  )
  t.notOk(check.failed, fc.defaultReportMessage(check) ?? '')
  t.same([...seen].sort(), ['backup', 'fault', 'init', 'leaving', 'master'], 'every state was met')
}
const longestHandOver = 5000
const rounding = 1e-6
const holds = ({ state }: VirtualRouter): boolean => state === 'master' || state === 'leaving'
const positions = (effects: readonly Effect[], kind: Effect['effect']): readonly number[] =>
  effects.flatMap((effect, i) => (effect.effect === kind ? [i] : []))

const sentPriorities = (effects: readonly Effect[]): readonly number[] =>
  effects.flatMap((effect) => (effect.effect === 'send-advertisement' ? [effect.priority] : []))

/** What a router says to the master it hears, that has no addresses any more. */
const lastWords = (before: VirtualRouter, effects: readonly Effect[]): readonly number[] => {
  if (before.state !== 'master' && before.state !== 'backup') return []
  const [removed = holds(before) ? Number.POSITIVE_INFINITY : -1] = positions(effects, 'remove-addresses')
  return positions(effects, 'send-advertisement').filter((sent) => sent > removed)
}
const isHearing = (event: Event): boolean =>
  event.event === 'advertisement-received' || event.event === 'deaf-master-heard'

const isFarewell = (effects: readonly Effect[]): boolean => sentPriorities(effects).join() === '0'

t.test('who stops holding the addresses removes them, once', (t) =>
  always(t, ({ before, event, after, effects }) => {
    const removals = positions(effects, 'remove-addresses').length
    // Who starts clears what was left.
    if (event.event === 'started') return removals <= 1 || holds(before)
    if (holds(before) && !holds(after)) return removals === 1
    // A master that fences itself may be made master again by the same event.
    if (holds(before)) return removals <= (positions(effects, 'add-addresses').length > 0 ? 1 : 0)
    return removals === 0
  }),
)

t.test('addresses are added by a master only, and renewed by a master or when it leaves', (t) =>
  always(t, ({ before, after, effects }) => {
    const isAdding = positions(effects, 'add-addresses').length > 0
    const isRenewing = positions(effects, 'renew-addresses').length > 0
    const leaves = before.state === 'master' && after.state === 'leaving'
    return (!isAdding || after.state === 'master') && (!isRenewing || after.state === 'master' || leaves)
  }),
)

t.test('who becomes master adds the addresses, also those that it still has', (t) =>
  always(t, ({ before, after, effects }) => {
    const becomes = before.state !== 'master' && after.state === 'master'
    return !becomes || positions(effects, 'add-addresses').length === 1
  }),
)

t.test('who begins to leave renews the addresses, hides them, and only then says priority 0', (t) =>
  always(t, ({ before, after, effects }) => {
    const begins = before.state !== 'leaving' && after.state === 'leaving'
    const acts = effects.map(({ effect }) => effect).filter((effect) => !effect.startsWith('report'))
    if (begins) return acts.join() === 'renew-addresses,hide-addresses,send-advertisement' && isFarewell(effects)
    return positions(effects, 'hide-addresses').length === 0
  }),
)

t.test('nothing is sent by backup, fault or init but the last word that a backup owes', (t) =>
  always(t, ({ before, event, effects }) => {
    if (holds(before)) return true
    const owes = before.state === 'backup' && before.owesWord && isHearing(event)
    const words = positions(effects, 'send-advertisement').length
    return words <= (owes ? 1 : 0) && positions(effects, 'announce-addresses').length === 0
  }),
)

t.test('a last word never beats the master that is heard, and is said once', (t) =>
  always(t, ({ before, event, after, effects }) => {
    if (before.state === 'leaving') return true
    const words = lastWords(before, effects)
    if (words.length === 0) return true
    if (words.length > 1 || (after.state === 'backup' && after.owesWord)) return false
    if (event.event !== 'advertisement-received') return event.event === 'deaf-master-heard' && isFarewell(effects)
    const said = sentPriorities(effects).at(-1) ?? Number.POSITIVE_INFINITY
    return said === 0 || outranks(event, after.address, said)
  }),
)

t.test('who leaves sends nothing but a last priority 0, right after the addresses were removed', (t) =>
  always(t, ({ before, event, effects }) => {
    if (before.state !== 'leaving') return true
    const [removed] = positions(effects, 'remove-addresses')
    const sent = positions(effects, 'send-advertisement')
    const isQuiet = positions(effects, 'announce-addresses').length === 0
    if (sent.length === 0) return isQuiet
    // One that was suspended while it left owes the master that it hears then another word.
    const most = isHearing(event) && event.at > before.endsAt ? 2 : 1
    return isQuiet && sent.length <= most && sentPriorities(effects)[0] === 0 && sent[0] === (removed ?? -2) + 1
  }),
)

t.test('a mastership is claimed only with the addresses there, and resigned only when it was claimed', (t) =>
  always(t, ({ before, event, effects }) => {
    const sent = positions(effects, 'send-advertisement').length
    const speaks = sent > lastWords(before, effects).length
    const hasAddresses =
      before.state === 'master' &&
      (before.advertiseAt !== null || before.isStaying || event.event === 'addresses-added')
    return !speaks || hasAddresses || before.state === 'leaving'
  }),
)

t.test(
  'a master that goes says priority 0 before the addresses are removed, and after that a word to whom it hears',
  (t) =>
    always(t, ({ before, event, effects }) => {
      if (before.state !== 'master') return true
      const words = lastWords(before, effects).length
      return words <= (isHearing(event) ? 1 : 0)
    }),
)

t.test('what is advertised is the effective priority or 0, and never both', (t) =>
  always(t, ({ before, after, effects }) => {
    // Who was suspended while it left has a word left after its priority 0.
    if (lastWords(before, effects).length > 0 || before.state === 'leaving') return true
    const sent = new Set(sentPriorities(effects))
    return sent.size === 0 || (sent.size === 1 && (sent.has(0) || sent.has(after.settings.priority)))
  }),
)

t.test('leaving ends in time: within the own master down interval and 5 s, whatever happens meanwhile', (t) =>
  always(t, ({ before, event, after }) => {
    if (before.state === 'leaving' && event.event === 'deadline-reached' && event.at >= before.endsAt) {
      return after.state !== 'leaving'
    }
    if (after.state !== 'leaving') return true
    if (before.state === 'leaving') return after.endsAt === before.endsAt
    return after.endsAt - event.at <= Math.min(ownMasterDown(after.settings), longestHandOver) + rounding
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

t.test('a shutdown ends everything, at once or by leaving', (t) =>
  always(t, ({ before, event, after }) => {
    const isEnding = event.event === 'shutdown-requested' || (before.state === 'leaving' && before.next === 'init')
    if (!isEnding || (before.state === 'leaving' && event.event === 'started')) return true
    return after.state === 'init' ? nextDeadline(after) === null : after.state === 'leaving' && after.next === 'init'
  }),
)

t.test('a host that must not serve gives the addresses up at once, unless there is time to hand them over', (t) =>
  always(t, ({ event, after }) => {
    if (event.event !== 'standing-changed' || event.fault === null) return true
    if (after.state === 'leaving') return event.isPlanned && (after.next === 'fault' || after.next === 'init')
    return after.state === 'fault' || after.state === 'init'
  }),
)

t.test('nobody takes part while something keeps it from it', (t) =>
  always(t, ({ after }) => {
    const isKept = after.failure !== null || after.held !== null
    return !isKept || (after.state !== 'master' && after.state !== 'backup')
  }),
)

t.test('who stands back is no master', (t) => always(t, ({ after }) => !after.standsBack || after.state !== 'master'))

t.test('a handful of rivals is remembered, and none with priority 0', (t) =>
  always(t, ({ after: { rivals } }) => rivals.size <= 16 && ![...rivals.values()].includes(0)),
)
