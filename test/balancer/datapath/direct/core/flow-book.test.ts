import fc from 'fast-check'
import t from 'tap'
import { millis } from '../../../../../balancer/core/time.ts'
import {
  createFlowBook,
  type Flow,
  type FlowBook,
  type FlowChanges,
} from '../../../../../balancer/datapath/direct/core/flow-book.ts'
import { slotOfClient } from '../../../../../balancer/datapath/direct/core/flow-key.ts'
import { closing, ended, hour, keyOf, lookAt, type MapEntry, minute, second } from './flow-looks.ts'

const book = (): FlowBook => createFlowBook(8, 0x5eed)
const portOf = ({ key }: Flow): number => Buffer.from(key).readUInt16BE(4)
const portsOf = ({ begun, gone }: FlowChanges): object => ({
  begun: begun.map(portOf),
  gone: gone.map((flow) => [portOf(flow), flow.reason]),
})
/** Heard at this moment, with 8 h to go. */
const heard = (port: number, at: number, mark = 1): MapEntry => ({ port, mark, until: at + 8 * hour })
const nothing = { begun: [], gone: [] }

t.test('what is there at the first look is live, and nobody knows since when', async (t) => {
  const flows = book()
  const changes = lookAt(flows, 100, [heard(1, -5 * minute), heard(2, 0, 2), { port: 3, mark: 1, until: 5 * second }])
  t.same(portsOf(changes), { begun: [1, 2], gone: [] })
  t.match(flows.find(keyOf(1)), {
    number: 1,
    state: 'live',
    begunAfter: Number.NEGATIVE_INFINITY,
    begunBy: Number.NEGATIVE_INFINITY,
    heardAt: -5 * minute,
    expiresAt: 8 * hour - 5 * minute,
  })
  t.match(flows.find(keyOf(3)), { state: 'attempt', heardAt: -5 * second })
  t.equal(flows.find(keyOf(4)), null)
  t.same(flows.counts(1), { attempts: 1, live: 1, closing: 0, total: 1 })
  t.same(flows.counts(2), { attempts: 0, live: 1, closing: 0, total: 1 })
  t.same(flows.counts(9), { attempts: 0, live: 0, closing: 0, total: 0 })
})

t.test('an attempt is a session when its client has said more than SYN', async (t) => {
  const flows = book()
  lookAt(flows, 0, [])
  t.same(portsOf(lookAt(flows, 1000, [{ port: 7, mark: 1, until: 10_900 }])), nothing)
  // A SYN again, and a packet of a session that the rules did not see begin.
  const unknown = { port: 8, mark: 1, until: 61_500 }
  t.same(portsOf(lookAt(flows, 2000, [{ port: 7, mark: 1, until: 11_900 }, unknown])), nothing)
  t.same(flows.counts(1), { attempts: 2, live: 0, closing: 0, total: 0 })
  t.match(flows.find(keyOf(8)), { state: 'attempt', heardAt: 1500 })
  const changes = lookAt(flows, 3000, [heard(7, 2100), heard(8, 2900)])
  t.same(portsOf(changes), { begun: [7, 8], gone: [] })
  t.match(changes.begun[0], { begunAfter: 0, begunBy: 1000, heardAt: 2100 })
  t.match(changes.begun[1], { begunAfter: 1000, begunBy: 2000 })
  t.same(flows.counts(1), { attempts: 0, live: 2, closing: 0, total: 2 })
})

t.test('an attempt that nobody answers leaves no trace', async (t) => {
  const flows = book()
  lookAt(flows, 0, [{ port: 7, mark: 1, until: 10_000 }])
  t.same(portsOf(lookAt(flows, 11_000, [])), nothing)
  t.same(flows.counts(1), { attempts: 0, live: 0, closing: 0, total: 0 })
  t.equal(flows.size(), 0)
})

t.test('a session is over when its client says FIN or RST, when this program ends it, and after silence', async (t) => {
  const flows = book()
  const silent = { port: 3, mark: 1, until: 5000 }
  lookAt(flows, -8 * hour + 6000, [heard(3, -8 * hour + 5000)])
  lookAt(flows, 0, [heard(1, 0), heard(2, 0), silent])
  const over = [
    { port: 1, mark: 1 | closing, until: 60_500 },
    { port: 2, mark: 1 | ended, until: 60_600 },
  ]
  t.same(portsOf(lookAt(flows, 1000, [...over, silent])), {
    begun: [],
    gone: [
      [1, 'closed'],
      [2, 'ended'],
    ],
  })
  t.same(flows.counts(1), { attempts: 0, live: 1, closing: 1, total: 3 })
  t.match(
    [1, 2].map((port) => flows.find(keyOf(port))?.state),
    ['closing', 'ended'],
  )
  t.same(portsOf(lookAt(flows, 6000, over)), { begun: [], gone: [[3, 'idle']] })
  t.same(portsOf(lookAt(flows, 61_500, [])), nothing, 'and none is told twice')
  t.equal(flows.size(), 0)
})

t.test('a port that is used again is another session, wherever that can be known', async (t) => {
  const flows = book()
  const begun = [1, 2, 3, 4].map((port) => heard(port, 0))
  lookAt(flows, 0, begun)
  lookAt(flows, 1000, [
    { port: 1, mark: 1 | closing, until: 60_500 },
    { port: 2, mark: 1 | ended, until: 60_500 },
    heard(3, 0),
    heard(4, 0),
  ])
  const changes = lookAt(flows, 2000, [
    heard(1, 1900),
    heard(2, 1900),
    heard(3, 1900, 2),
    { port: 4, mark: 1, until: 11_800 },
  ])
  t.same(portsOf(changes), {
    begun: [1, 2, 3],
    gone: [
      [3, 'reused'],
      [4, 'reused'],
    ],
  })
  t.match(changes.begun[0], { begunAfter: 1000, begunBy: 2000 })
  t.same(flows.counts(1), { attempts: 1, live: 2, closing: 0, total: 6 })
  t.same(flows.counts(2), { attempts: 0, live: 1, closing: 0, total: 1 })
  t.same(portsOf(lookAt(flows, 3000, [heard(4, 2900)])), { begun: [4], gone: [] })
})

t.test(
  'a session that is silent for long stays the same one to its last second, and goes on with a packet',
  async (t) => {
    const flows = book()
    lookAt(flows, 0, [heard(1, 0)])
    const last = 8 * hour - 5000
    t.same(portsOf(lookAt(flows, last, [heard(1, 0)])), nothing)
    t.match(flows.find(keyOf(1)), { state: 'live', heardAt: 0 })
    t.same(portsOf(lookAt(flows, last + 1000, [heard(1, last + 500)])), nothing)
    t.match(flows.find(keyOf(1)), { state: 'live', heardAt: last + 500, begunBy: Number.NEGATIVE_INFINITY })
  },
)

t.test(
  'what this program has put into the map between two looks is known at once, and told by the next one',
  async (t) => {
    const flows = book()
    lookAt(flows, 0, [])
    flows.see({ buffer: keyOf(1), keyAt: 0, value: 3, expires: hour }, 500)
    t.match(flows.find(keyOf(1)), { number: 3, state: 'live', heardAt: 500 - 7 * hour, begunAfter: 0, begunBy: 500 })
    t.same(portsOf(lookAt(flows, 1000, [{ port: 1, mark: 3, until: 500 + hour }])), { begun: [1], gone: [] })
  },
)

t.test('lists lack elements: one that is missed is kept until five in a row lack it', async (t) => {
  const flows = book()
  lookAt(flows, 0, [heard(1, 0), heard(2, 0)])
  for (const at of [1000, 2000, 3000, 4000]) t.same(portsOf(lookAt(flows, at, [heard(2, at)])), nothing)
  t.same(portsOf(lookAt(flows, 4500, [heard(1, 0), heard(2, 0)])), nothing, 'it was there all the time')
  for (const at of [5000, 6000, 7000, 8000]) lookAt(flows, at, [heard(2, 0)])
  for (const at of [8100, 8200, 8300]) t.same(portsOf(lookAt(flows, at, [], { isTorn: true })), nothing)
  t.equal(flows.counts(1).live, 2)
  t.same(portsOf(lookAt(flows, 9000, [heard(2, 0)])), { begun: [], gone: [[1, 'removed']] })
})

t.test('with an idle timeout as short as those of beginnings what can be told apart still is', async (t) => {
  const flows = book()
  lookAt(
    flows,
    0,
    [
      { port: 1, mark: 1, until: 29_000 },
      { port: 2, mark: 1, until: 9500 },
    ],
    { idle: 30 * second },
  )
  t.same(flows.counts(1), { attempts: 1, live: 1, closing: 0, total: 1 })
  const shortest = book()
  lookAt(shortest, 0, [{ port: 1, mark: 1, until: 4000 }], { idle: 5 * second })
  t.same(shortest.counts(1), { attempts: 0, live: 1, closing: 0, total: 1 }, 'a SYN passes for a session')
})

t.test('exceptions are the sessions that slots send elsewhere: those of any of several tables', async (t) => {
  const flows = book()
  lookAt(flows, 0, [
    heard(1, -1000, 1),
    heard(2, -2000, 2),
    heard(3, 0, 1 | closing),
    { port: 4, mark: 2, until: 9000 },
  ])
  const hash = { hash: 'session', seed: 7, slotCount: 64 } as const
  const everywhere = (number: number) => ({ ...hash, numbers: new Array<number>(64).fill(number) })
  const exceptions = (...tables: readonly ReturnType<typeof everywhere>[]): readonly object[] =>
    flows
      .exceptionsAgainst(tables, millis(5000))
      .map(({ key, number, idle, timeout }) => ({ port: Buffer.from(key).readUInt16BE(4), number, idle, timeout }))
      .sort((a, b) => a.port - b.port)
  const [one, two] = [
    { port: 1, number: 1, idle: 6000, timeout: 8 * hour },
    { port: 2, number: 2, idle: 7000, timeout: 8 * hour },
  ]
  t.same(exceptions(everywhere(1)), [two])
  t.same(exceptions(everywhere(2)), [one])
  t.same(exceptions(everywhere(0)), [one, two])
  t.same(exceptions(everywhere(1), everywhere(2)), [one, two])
  t.same(exceptions(), [])
  const right = everywhere(0)
  for (const [port, number] of [
    [1, 1],
    [2, 2],
  ] as const)
    right.numbers[slotOfClient(keyOf(port), 0, 8, hash)] = number
  t.same(exceptions(right), [])
  t.same(flows.exceptionsAgainst([everywhere(0)], millis(8 * hour)), [], 'none that is over')
})

t.test('whatever happens to a map, the counts are those of its flows, and begun less gone is live', async () => {
  const port = fc.integer({ min: 1, max: 40 })
  const mark = fc.tuple(fc.integer({ min: 1, max: 3 }), fc.constantFrom(0, 0, 0, closing, ended))
  const step = fc.record({
    seen: fc.array(fc.tuple(port, mark, fc.constantFrom(5 * second, 50 * second, hour, 8 * hour)), { maxLength: 60 }),
    pause: fc.integer({ min: 0, max: 2 * hour }),
    isTorn: fc.boolean(),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
      const flows = book()
      let [at, begun, gone] = [0, 0, 0]
      for (const { seen, pause, isTorn } of steps) {
        at += pause
        const entries = seen.map(([one, [number, bits], left]) => ({
          port: one,
          mark: number | bits,
          until: at + left,
        }))
        const changes = lookAt(flows, at, entries, { isTorn })
        begun += changes.begun.length
        gone += changes.gone.length
        const found: Flow[] = []
        flows.visit((flow) => found.push(flow))
        const keys = new Set(found.map(portOf))
        if (keys.size !== found.length || flows.size() !== found.length) throw new Error('a flow stands twice')
        if (entries.some((entry) => !keys.has(entry.port))) throw new Error('a flow that was seen is missing')
        const live = found.filter(({ state }) => state === 'live')
        if (begun - gone !== live.length) throw new Error(`${begun} begun, ${gone} gone, ${live.length} live`)
        for (const number of [1, 2, 3]) {
          const counted = flows.counts(number)
          const here = (state: Flow['state']): number =>
            found.filter((flow) => flow.number === number && flow.state === state).length
          if (
            counted.live !== here('live') ||
            counted.attempts !== here('attempt') ||
            counted.closing !== here('closing')
          )
            throw new Error(`wrong counts of ${number}`)
        }
      }
    }),
    { numRuns: 500 },
  )
})

t.test('a hundred thousand flows come and go, and their room with them', async (t) => {
  const flows = book()
  const buffer = new Uint8Array(8)
  const view = new DataView(buffer.buffer)
  const see = (from: number, to: number, at: number): void => {
    for (let i = from; i < to; i += 1) {
      view.setUint32(0, 0x0a000000 + (i >>> 14))
      view.setUint16(4, 1 + (i & 0x3fff))
      flows.see({ buffer, keyAt: 0, value: 1 + (i % 3), expires: 8 * hour }, at)
    }
  }
  const timeouts = { idle: millis(8 * hour), connect: millis(10 * second) }
  flows.beginLook({ at: millis(0), ...timeouts })
  see(0, 100_000, 0)
  t.equal(flows.endLook({ at: millis(0), isTorn: false }).begun.length, 100_000)
  flows.beginLook({ at: millis(hour), ...timeouts })
  see(90_000, 110_000, hour)
  t.equal(flows.endLook({ at: millis(hour), isTorn: false }).begun.length, 10_000)
  t.equal(flows.size(), 110_000)
  flows.beginLook({ at: millis(8 * hour + minute), ...timeouts })
  see(109_000, 110_000, 8 * hour + minute)
  t.equal(flows.endLook({ at: millis(8 * hour + minute), isTorn: false }).gone.length, 90_000)
  t.equal(flows.size(), 20_000)
  t.equal(
    [1, 2, 3].reduce((all, number) => all + flows.counts(number).live, 0),
    20_000,
  )
})

t.test('an attempt that becomes no session was not answered, and one that does was', async (t) => {
  const book = createFlowBook(6, 1)
  const look = (at: number, flows: readonly (readonly [key: number, expires: number])[]) => {
    book.beginLook({ at: millis(at), idle: millis(3_600_000), connect: millis(10_000) })
    for (const [key, expires] of flows) {
      book.see({ buffer: Uint8Array.of(0, 0, 0, 0, 0, key), keyAt: 0, value: 3, expires }, at)
    }
    return book.endLook({ at: millis(at), isTorn: false }).unanswered
  }
  t.equal(
    look(0, [
      [1, 10_000],
      [2, 10_000],
    ]).size,
    0,
  )
  t.equal(
    look(1000, [
      [1, 9000],
      [2, 3_599_000],
    ]).size,
    0,
  )
  t.same([...look(12_000, [[2, 3_598_000]])], [[3, 1]])
  t.equal(look(13_000, [[2, 3_597_000]]).size, 0, 'it is told once')
})
