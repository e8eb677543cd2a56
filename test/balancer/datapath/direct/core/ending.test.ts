// Which sessions of the direct datapath end, and what stands next.

import fc from 'fast-check'
import t from 'tap'
import {
  deadlineOf,
  type EndingEffect,
  type EndingEvent,
  type Endings,
  isElsewhere,
  owesAt,
  startEndings,
  step,
} from '../../../../../balancer/datapath/direct/core/ending.ts'
import { type Ending, type EndingFlow, endsAt } from '../../../../../balancer/datapath/direct/core/ends-at.ts'
import { flowKey } from '../../../../../balancer/datapath/direct/core/flow-key.ts'

const bind = { address: '198.18.0.100', port: 3306 }
const other = { address: '198.18.0.101', port: 3306 }
const always = Number.NEGATIVE_INFINITY
const flow = (port: number, changes: Partial<EndingFlow> = {}): EndingFlow => ({
  key: flowKey({ address: '198.18.0.20', port }),
  number: 1,
  state: 'live',
  begunAfter: always,
  begunBy: always,
  expiresAt: Number.POSITIVE_INFINITY,
  ...changes,
})
const ofServer = (server: number, begunBefore = Number.POSITIVE_INFINITY): Ending => ({
  server,
  client: null,
  begunBefore,
})
const everybody: Ending = { server: null, client: null, begunBefore: Number.POSITIVE_INFINITY }

type Happened = EndingEvent extends infer One ? (One extends EndingEvent ? Omit<One, 'at'> : never) : never
/** Endings to which things happen; `texts` are effects in short. */
const endings = () => {
  let state: Endings = startEndings
  return {
    happen: (at: number, event: Happened): readonly EndingEffect[] => {
      const [next, effects] = step(state, { ...event, at })
      state = next
      return effects
    },
    deadline: () => deadlineOf(state),
    isElsewhere: (address: string) => isElsewhere(state, address),
    owesAt: (where: typeof bind) => owesAt(state, where),
  }
}
const portOf = ({ key }: EndingFlow): number => ((key[4] ?? 0) << 8) | (key[5] ?? 0)
const text = (effect: EndingEffect): string => {
  const { effect: what } = effect
  if ('flows' in effect) return `${what} ${effect.flows.map(portOf).join(' ')}`
  if (what === 'over') return `over ${effect.id}${effect.isLost ? ' lost' : ''}`
  return 'address' in effect ? `${what} ${effect.address}` : what
}
const texts = (effects: readonly EndingEffect[]): readonly string[] => effects.map(text)
const order = (id: number, ending: Ending, waits = true, untilUp = false): Happened => {
  return { event: 'ordered', id, bind, ending, waits, untilUp }
}
const looked = (since: number, ...flows: readonly EndingFlow[]): Happened => ({ event: 'looked', bind, since, flows })

t.test(
  'what ends is what is meant: by server, by client, by port, by its beginning, and only what lives',
  async (t) => {
    const at = 1000
    const end = (one: EndingFlow, ending: Ending) => endsAt(one, ending, at)
    t.equal(end(flow(1), ofServer(1)), at)
    t.equal(end(flow(1), ofServer(2)), null)
    t.equal(end(flow(1), everybody), at)
    for (const state of ['attempt', 'closing', 'ended'] as const) t.equal(end(flow(1, { state }), everybody), null)
    const ofClient = (port: number | null, from = '198.18.0.20'): Ending => ({
      ...everybody,
      client: { address: from, port },
    })
    t.equal(end(flow(1), ofClient(null)), at)
    t.equal(end(flow(1), ofClient(1)), at)
    t.equal(end(flow(1), ofClient(2)), null)
    const six = flow(1, { key: flowKey({ address: 'fd00::20', port: 40_000 }) })
    t.equal(end(six, ofClient(null, 'fd00::20')), at)
    t.equal(end(six, ofClient(40_000, 'fd00::20')), at)
    t.equal(end(six, ofClient(40_001, 'fd00::20')), null)
    t.equal(end(six, ofClient(null, 'fd00::21')), null)
    t.equal(end(flow(1), ofClient(null, '198.18.0.21')), null)
    t.equal(end(flow(1), ofClient(null, 'fd00::20')), null)
    t.equal(end(flow(1, { begunAfter: 300, begunBy: 400 }), ofServer(1, 400)), at)
    t.equal(end(flow(1, { begunAfter: 401, begunBy: 500 }), ofServer(1, 400)), null)
    t.equal(end(flow(1, { begunAfter: 300, begunBy: 900 }), ofServer(1, 400)), 1400, 'a login has its time')
    t.equal(end(flow(1, { begunAfter: 300, begunBy: 420 }), ofServer(1, 400)), at, 'and no more')
  },
)

t.test('an order is carried out by a look that began after it, and told again later', async (t) => {
  const { happen, deadline } = endings()
  t.same(texts(happen(0, { event: 'binds', binds: [bind] })), ['look'], 'an earlier process may have left some')
  t.same(texts(happen(1, looked(0))), [])
  t.same(texts(happen(10, order(7, ofServer(1)))), ['look'])
  t.same(texts(happen(11, looked(9, flow(1)))), [], 'this one is older')
  t.same(texts(happen(12, looked(10, flow(1), flow(2, { number: 2 }), flow(3)))), ['end 1 3', 'over 7'])
  t.equal(deadline(), 412)
  t.same(texts(happen(412, { event: 'deadline-reached' })), ['look'])
  const again = looked(412, flow(1, { number: 2, begunBy: 413 }), flow(2, { number: 2 }), flow(3, { state: 'ended' }))
  t.same(texts(happen(413, again)), ['spare 1'], 'who has a session again is not told once more')
  t.same(texts(happen(500, { event: 'told' })), [])
  t.equal(deadline(), 813)
  t.same(texts(happen(813, { event: 'deadline-reached' })), ['look'])
  t.same(
    texts(happen(814, looked(813, flow(4, { begunAfter: 400, begunBy: 814 }), flow(5)))),
    ['end 5'],
    'one was missed',
  )
  happen(900, { event: 'told' })
  t.equal(deadline(), 1314, 'the other one may be new')
  happen(1314, { event: 'deadline-reached' })
  t.same(texts(happen(1315, looked(1314, flow(4, { begunAfter: 400, begunBy: 814 })))), ['end 4'])
  happen(1900, { event: 'told' })
  t.equal(deadline(), null)
})

t.test('two orders at one look: nobody is ended twice', async (t) => {
  const { happen } = endings()
  happen(0, order(1, ofServer(1)))
  happen(1, order(2, everybody))
  t.same(texts(happen(3, looked(2, flow(1), flow(2, { number: 2 })))), ['end 1', 'over 1', 'end 2', 'over 2'])
})

t.test('who may be logging in ends later, and who came since does not', async (t) => {
  const { happen, deadline } = endings()
  happen(1000, order(1, ofServer(1, 500), false))
  const [older, login, since] = [
    flow(1, { begunAfter: 100, begunBy: 400 }),
    flow(2, { begunAfter: 400, begunBy: 1001 }),
    flow(3, { begunAfter: 600, begunBy: 1001 }),
  ]
  t.same(texts(happen(1001, looked(1001, older, login, since))), ['end 1', 'over 1'])
  happen(1200, { event: 'told' })
  t.equal(deadline(), 1401)
  t.same(texts(happen(1401, { event: 'deadline-reached' })), ['look'])
  t.same(texts(happen(1402, looked(1401, { ...older, state: 'ended' }, login, since))), [])
  t.equal(deadline(), 1501)
  t.same(texts(happen(1501, { event: 'deadline-reached' })), ['look'])
  const at = looked(1501, { ...older, state: 'ended' }, login, since)
  t.same(texts(happen(1502, at)), ['end 2'])
})

t.test('where nobody begins a session any more ends also whom no look had when it was ordered', async (t) => {
  for (const isClosed of [true, false]) {
    const { happen, deadline } = endings()
    happen(0, { event: 'ordered', id: 1, bind, ending: everybody, waits: false, isClosed })
    t.same(texts(happen(9000, looked(8000))), ['over 1'], 'this look lacks it')
    const said: string[] = []
    for (let at = deadline(); at !== null && at < 10_000; at = deadline()) {
      happen(at, { event: 'deadline-reached' })
      said.push(...texts(happen(at + 1, looked(at, flow(1, { begunAfter: 8000, begunBy: 9401 })))))
    }
    t.same(said, isClosed ? ['end 1'] : [])
  }
})

t.test('a bind is needed until its last look, however late that comes', async (t) => {
  const { happen, deadline, owesAt: owes } = endings()
  happen(0, { event: 'ordered', id: 1, bind, ending: everybody, waits: false, isClosed: true })
  t.ok(owes(bind))
  t.notOk(owes(other))
  happen(60_000, looked(60_000, flow(1)))
  for (let at = deadline(); at !== null && at < 70_000; at = deadline()) {
    t.ok(owes(bind), 'looks follow it')
    happen(at, { event: 'deadline-reached' })
    happen(at + 1, looked(at))
    // Both sides are told for as long as it takes.
    if (!owes(bind)) break
  }
  t.notOk(owes(bind))
  happen(70_000, { event: 'address-left', address: bind.address })
  happen(70_001, order(2, ofServer(1)))
  t.notOk(owes(bind), 'what waits for an address is not looked for')
})

t.test('where the address is not here nothing is marked and nobody told, until it comes', async (t) => {
  const { happen, deadline, isElsewhere: is } = endings()
  happen(0, { event: 'binds', binds: [bind, other] })
  t.same(texts(happen(1, { event: 'address-left', address: bind.address })), [`hold ${bind.address}`])
  t.same(texts(happen(2, { event: 'address-left', address: bind.address })), [], 'once')
  happen(3, looked(3))
  t.same(texts(happen(100, order(1, ofServer(1)))), ['over 1 '.trim()])
  t.same(texts(happen(200, order(2, ofServer(1)))), ['over 2'])
  t.same(texts(happen(201, order(3, everybody, false))), ['over 3 lost'], 'an operator does not wait')
  t.same(texts(happen(202, looked(202, flow(1)))), [])
  t.equal(deadline(), 2001)
  t.notOk(is(bind.address))
  t.same(texts(happen(2001, { event: 'deadline-reached' })), [`forget ${bind.address}`, 'look'])
  t.ok(is(bind.address))
  t.same(texts(happen(2002, looked(2001, flow(1), flow(2, { state: 'ended' })))), ['remove 2'])
  t.equal(deadline(), null)
  t.same(texts(happen(9000, { event: 'address-came', address: bind.address })), [`release ${bind.address}`, 'look'])
  t.notOk(is(bind.address))
  const [before, since] = [flow(1, { begunAfter: 50, begunBy: 150 }), flow(2, { begunAfter: 8000, begunBy: 9001 })]
  t.same(texts(happen(9001, looked(9000, before, since))), ['end 1'], 'once for both orders')
  t.same(texts(happen(9500, looked(9500, since))), [])
})

t.test('an address that is back at once: who waits is told', async (t) => {
  const { happen } = endings()
  happen(0, { event: 'binds', binds: [bind] })
  happen(0, looked(0))
  happen(10, order(1, ofServer(1)))
  happen(11, looked(10, flow(1)))
  happen(20, { event: 'address-left', address: bind.address })
  t.same(texts(happen(411, { event: 'deadline-reached' })), [], 'whoever is left is looked for when it is here again')
  const back = happen(1500, { event: 'address-came', address: bind.address })
  t.same(texts(back), [`release ${bind.address}`, 'look'])
  t.same(texts(happen(1501, looked(1500, flow(1, { state: 'ended' }), flow(2)))), ['end 2'])
})

t.test('what an earlier process has ended is told again', async (t) => {
  const { happen } = endings()
  happen(0, { event: 'binds', binds: [bind] })
  const [just, longAgo] = [50_002, 50_001].map((expiresAt, i) => flow(2 + i, { state: 'ended', expiresAt }))
  t.same(texts(happen(1, looked(0, flow(1), ...[just, longAgo].flatMap((one) => one ?? [])))), ['tell 2'])
  t.same(texts(happen(2, { event: 'binds', binds: [bind] })), [])
})

t.test('a failure is tried again, and not for ever', async (t) => {
  const { happen, deadline } = endings()
  happen(0, order(1, ofServer(1)))
  const failed = (since: number): Happened => ({ event: 'looked', bind, since, flows: null })
  const said: string[] = []
  let [at, tries] = [1, 0]
  for (; tries < 20; tries += 1) {
    said.push(...texts(happen(at, failed(at))))
    const due = deadline()
    if (due === null) break
    at = due
    t.same(texts(happen(at, { event: 'deadline-reached' })), ['look'])
  }
  t.ok(tries > 2 && tries < 20)
  t.same(said, ['over 1 lost'])
  happen(5000, { event: 'not-marked', bind, ending: ofServer(1) })
  t.equal(deadline(), 5500)
  happen(5500, { event: 'deadline-reached' })
  t.same(texts(happen(5501, looked(5500, flow(4)))), ['end 4'])
})

t.test(
  'what is owed while the address is elsewhere is forgotten when the server is up again, and nothing else',
  async (t) => {
    const { happen } = endings()
    happen(0, { event: 'address-left', address: bind.address })
    happen(10, order(1, ofServer(1), true, true))
    happen(10, order(2, ofServer(2), true, true))
    // One that writes no more is up as well.
    happen(10, order(3, ofServer(3)))
    happen(11, order(4, ofServer(3), true, true))
    for (const server of [1, 3]) t.same(happen(20, { event: 'server-up', bind, server }), [])
    t.same(texts(happen(30, { event: 'address-came', address: bind.address })).slice(-1), ['look'])
    const flows = [1, 2, 3].map((number) => flow(number, { number }))
    t.same(texts(happen(31, looked(30, ...flows))), ['end 2', 'end 3'])
  },
)

t.test('an early call changes nothing', async (t) => {
  const { happen, deadline } = endings()
  happen(0, { event: 'address-left', address: bind.address })
  t.same(happen(1999, { event: 'deadline-reached' }), [])
  t.equal(deadline(), 2000)
})

t.test('never is a session ended or told of that the last look has not shown as meant, whatever happens', async () => {
  const ports = fc.integer({ min: 1, max: 5 })
  const flowOf = fc
    .record({ port: ports, number: fc.integer({ min: 1, max: 3 }), begun: fc.nat(5000), gap: fc.nat(500) })
    .map(({ port, number, begun, gap }) => flow(port, { number, begunAfter: begun - gap, begunBy: begun }))
  const states = fc.constantFrom('attempt', 'live', 'closing', 'ended')
  const flows = fc.array(fc.tuple(flowOf, states).map(([one, state]): EndingFlow => ({ ...one, state })))
  const where = fc.constantFrom(bind, other)
  const happened: fc.Arbitrary<Happened> = fc.oneof(
    fc.record({
      event: fc.constant('ordered' as const),
      id: fc.nat(9),
      bind: where,
      ending: fc.record({
        server: fc.option(fc.integer({ min: 1, max: 3 })),
        client: fc.constant(null),
        begunBefore: fc.oneof(fc.nat(5000), fc.constant(Number.POSITIVE_INFINITY)),
      }),
      waits: fc.constant(true),
    }),
    fc.record({ event: fc.constant('looked' as const), bind: where, since: fc.nat(5000), flows: fc.option(flows) }),
    where.map(({ address }) => ({ event: 'address-left' as const, address })),
    where.map(({ address }) => ({ event: 'address-came' as const, address })),
    fc.constant({ event: 'told' as const }),
    fc.constant({ event: 'deadline-reached' as const }),
    fc.constant({ event: 'binds' as const, binds: [bind, other] }),
  )
  fc.assert(
    fc.property(fc.boolean(), fc.array(fc.tuple(fc.nat(300), happened), { maxLength: 40 }), (waits, steps) => {
      const { happen } = endings()
      // Orders of plans wait, and allow for what a look may have lacked.
      const slack = waits ? 1000 : 0
      const absent = new Set<string>()
      let at = 0
      for (const [later, event] of steps) {
        at += later
        if (event.event === 'address-left') absent.add(event.address)
        if (event.event === 'address-came') absent.delete(event.address)
        const effects = happen(at, event.event === 'ordered' ? { ...event, waits } : event)
        const shown = event.event === 'looked' ? (event.flows ?? []) : []
        const touched = new Set<EndingFlow>()
        for (const effect of effects) {
          if (!('flows' in effect)) continue
          if (!effect.flows.every((one) => shown.includes(one) && !touched.has(one))) return false
          // Who is spared what was to be told of an earlier session may have this one ended next.
          if (effect.effect !== 'spare') for (const one of effect.flows) touched.add(one)
          if (effect.effect === 'end' && !effect.flows.every((one) => endsAt(one, effect.ending, at, slack) === at))
            return false
          if (effect.effect !== 'remove' && effect.effect !== 'spare' && absent.has(effect.bind.address)) return false
          if (effect.effect === 'tell' && !effect.flows.every(({ state }) => state === 'ended')) return false
        }
      }
      return true
    }),
  )
})
