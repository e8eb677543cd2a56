import fc from 'fast-check'
import t from 'tap'
import { balancerSchema, type ListenerConfig } from '../../../balancer/config/schema.ts'
import { afterAgentLine } from '../../../balancer/health/core/agent-line.ts'
import { rescaled } from '../../../balancer/health/core/carry-over.ts'
import { judgeFailures } from '../../../balancer/health/core/passive.ts'
import { type CheckResult, failed, type Judgement, notMade, passed } from '../../../balancer/health/core/result.ts'
import { isUp } from '../../../balancer/health/core/rise-fall.ts'
import {
  afterEvent,
  afterReconfiguration,
  factOf,
  type HealthEvent,
  type ServerHealth,
  startHealth,
} from '../../../balancer/health/core/server-health.ts'
import { statusWord } from '../../../balancer/pool/core/server-state.ts'
import { healthFact } from '../pool/health-fact.ts'

const configOf = (listenerKeys: object, serverKeys: object = {}) => {
  const [listener] = balancerSchema.parse({
    router_id: 'lb',
    listeners: [
      {
        name: 'mysql',
        bind: '127.0.0.1:3306',
        servers: [{ name: 'db1', address: '198.18.0.11:3306', ...serverKeys }],
        ...listenerKeys,
      },
    ],
  }).listeners
  const server = listener?.servers[0]
  if (listener === undefined || server === undefined) throw new Error('no listener')
  return { listener, server }
}

const result = (judgement: Judgement): CheckResult => ({ ...judgement, durationMs: 1, by: 'check', excuse: null })
const good = result(passed('L7OK', 'fine'))
const bad = result(failed('L4TOUT', 'timeout', 'silent'))
const hard = result(failed('L7STS', 'not-primary', 'cut off', { hard: true }))
const notFound = result(passed('L7OKC', '404', { drain: true }))

const checked = (outcome: CheckResult, check = 0): HealthEvent => ({ event: 'checked', check, result: outcome, at: 5 })
const line = (text: string): HealthEvent => ({ event: 'agent-line', line: text, at: 5 })
const order = (orders: Extract<HealthEvent, { event: 'ordered' }>['orders']): HealthEvent => ({
  event: 'ordered',
  orders,
  at: 5,
})

/** The status words after each event. */
const words = (
  config: { listener: ListenerConfig; server: ListenerConfig['servers'][number] },
  ...events: HealthEvent[]
) => {
  let health: ServerHealth = startHealth(config.listener.check, 0)
  return events.map((event) => {
    health = afterEvent(health, config, event)
    return statusWord(factOf(health, config))
  })
}

const after = (config: ReturnType<typeof configOf>, ...events: HealthEvent[]) =>
  factOf(
    events.reduce<ServerHealth>(
      (health, event) => afterEvent(health, config, event),
      startHealth(config.listener.check, 0),
    ),
    config,
  )

t.test('several checks: all must pass, the one that is worst is shown', async (t) => {
  const config = configOf({ check: [{ type: 'icmp' }, { type: 'tcp' }] })
  t.same(
    words(
      config,
      checked(good, 0),
      checked(good, 1),
      checked(bad, 1),
      checked(bad, 1),
      checked(bad, 1),
      checked(good, 0),
      checked(good, 1),
      checked(good, 1),
    ),
    ['DOWN', 'UP', 'UP 2/3', 'UP 1/3', 'DOWN', 'DOWN', 'DOWN 1/2', 'UP'],
  )
})

t.test('a 404 drains a server that is up and brings none up', async (t) => {
  const config = configOf({})
  t.same(words(config, checked(notFound), checked(good), checked(good), checked(notFound), checked(good)), [
    'DOWN',
    'DOWN 1/2',
    'UP',
    'NOLB',
    'UP',
  ])
})

t.test('maintenance: down, and checked first when it ends, whoever ends it', async (t) => {
  const config = configOf({ agent_check: { port: 1 } })
  t.same(words(config, checked(good), order({ admin: 'maint' }), order({ admin: 'ready' }), checked(good)), [
    'UP',
    'MAINT',
    'DOWN',
    'UP',
  ])
  t.same(words(config, checked(good), line('maint'), line('ready'), checked(good)), ['UP', 'MAINT', 'DOWN', 'UP'])
})

t.test('the stricter of operator and agent counts; a drained server goes on being checked', async (t) => {
  const config = configOf({ agent_check: { port: 1 } })
  t.same(
    words(config, checked(good), line('drain'), order({ admin: 'maint' }), line('ready'), order({ admin: 'drain' })),
    ['UP', 'DRAIN', 'MAINT', 'MAINT', 'DOWN'],
  )
  t.same(words(config, checked(good), order({ admin: 'drain' }), checked(hard), checked(good), checked(good)), [
    'UP',
    'DRAIN',
    'DOWN',
    'DOWN 1/2',
    'DRAIN',
  ])
})

t.test('the agent: down and up beside the checks, percent of the weight, a limit, and its words', async (t) => {
  const config = configOf({ agent_check: { port: 1 } }, { weight: 10, max_connections: 100 })
  t.same(words(config, checked(good), line('down #disk full'), checked(good), line('up')), ['UP', 'DOWN', 'DOWN', 'UP'])
  t.match(after(config, line('75% maxconn:30')), { weight: 8, maximumSessions: 30 })
  t.match(
    after(config, line('75%'), line('maxconn:30')),
    { weight: 8, maximumSessions: 30 },
    'what a line leaves out stays',
  )
  t.match(after(config, line('75%'), line('rubbish')), { weight: 8 })
  t.match(after(config, line('0%')), { weight: 0 })
  t.match(after(config, line('1%')), { weight: 1 }, 'a little is not nothing')
  t.match(after(config, line('50%'), order({ weight: 200 })), { weight: 100 })
  t.match(after(config, order({ weight: 0 })), { weight: 0, orders: { weight: 0 } })
  t.match(after(config, order({ weight: 5 }), order({ weight: null })), { weight: 10 })
})

t.test('the words of an agent line', async (t) => {
  const table = [
    ['75%', { percent: 75 }],
    ['UP,READY;50%\tmaxconn:10', { down: false, admin: 'ready', percent: 50, maximumSessions: 10 }],
    ['stopped #planned', { down: true, text: 'planned' }],
    ['failed', { down: true, text: 'failed' }],
    ['fail', { down: true, text: 'fail' }],
    ['drain 20%', { admin: 'drain', percent: 20 }],
    ['', null],
    ['#only a comment', null],
    ['12345%', null],
    ['-5%', null],
  ] as const
  for (const [text, expected] of table) {
    const { said } = afterAgentLine(null, text)
    expected === null ? t.equal(said, null, text) : t.match(said, expected, text)
  }
  fc.assert(fc.property(fc.string(), (text) => (afterAgentLine(null, text).said?.text.length ?? 0) <= 256))
})

t.test('connect failures of sessions: a refusal acts at once, others when there are enough in a row', async (t) => {
  const observe = { enabled: true, error_limit: 10, on_error: 'fail_check' } as const
  const count = (refusedConnects: number | null, failuresInARow: number | null) => ({ refusedConnects, failuresInARow })
  t.equal(judgeFailures(observe, undefined, count(5, 50)), 'nothing', 'what was before is no news')
  t.equal(judgeFailures(observe, count(0, 0), count(1, 1)), 'mark_down')
  t.equal(judgeFailures(observe, count(1, 0), count(1, 9)), 'nothing')
  t.equal(judgeFailures(observe, count(1, 9), count(1, 10)), 'fail_check')
  t.equal(judgeFailures(observe, count(1, 10), count(1, 19)), 'nothing')
  t.equal(judgeFailures(observe, count(1, 19), count(1, 25)), 'fail_check')
  t.equal(judgeFailures(observe, count(1, 19), count(1, 3)), 'nothing', 'a connection worked in between')
  t.equal(judgeFailures(observe, count(null, null), count(null, null)), 'nothing')
  t.equal(judgeFailures(observe, count(null, null), count(3, 0)), 'nothing', 'none is known to be new')
  t.equal(judgeFailures(observe, count(3, 9), count(null, null)), 'nothing')
  t.equal(judgeFailures(observe, count(null, null), count(null, 10)), 'fail_check')
  t.equal(judgeFailures({ ...observe, enabled: false }, count(0, 0), count(1, 1)), 'nothing')
  const config = configOf({})
  const passive = (markDown: boolean): HealthEvent => ({ event: 'passive', markDown, text: '10 failures', at: 5 })
  t.same(words(config, checked(good), passive(false), passive(true), checked(good), checked(good)), [
    'UP',
    'UP 2/3',
    'DOWN',
    'DOWN 1/2',
    'UP',
  ])
  t.same(words(config, passive(true)), ['DOWN'])
})

t.test('a check that this program was too late for changes nothing but its count', async (t) => {
  const config = configOf({})
  const before = after(config, checked(good))
  const now = after(config, checked(good), { event: 'late', at: 9 })
  t.same({ ...now, lateChecks: 0 }, before)
  t.equal(now.lateChecks, 1)
})

t.test('a director that is started again goes on where the one before was', async (t) => {
  const config = configOf({ check: [{ type: 'tcp' }, { type: 'icmp' }] })
  const said = { at: 1, admin: 'ready', down: false, percent: 50, maximumSessions: null, text: '50%' } as const
  const orders = { admin: 'drain', weight: 7 } as const
  const inherited = healthFact('db1', {
    counters: [4, 3],
    orders,
    agent: said,
    since: 77,
    malformedReports: { 'not-json': 3 },
  })
  t.match(factOf(startHealth(config.listener.check, 0, inherited), config), {
    up: true,
    admin: 'drain',
    weight: 4,
    since: 77,
    counters: [4, 3],
    malformedReports: { 'not-json': 3 },
  })
  const one = configOf({})
  t.match(
    factOf(startHealth(one.listener.check, 0, inherited), one),
    { up: true, counters: [4], admin: 'drain' },
    'also where a reload came in between',
  )
  const down = { ...inherited, up: false, counters: [0, 3] }
  t.match(factOf(startHealth(one.listener.check, 0, down), one), { up: false, counters: [0] })
  const strict = configOf({ check: [{ type: 'tcp', rise: 9 }, { type: 'icmp' }] })
  t.match(factOf(startHealth(strict.listener.check, 0, inherited), strict), { up: true, counters: [9, 3] })
})

const reloaded = (
  from: ReturnType<typeof configOf>,
  to: ReturnType<typeof configOf>,
  ...events: readonly HealthEvent[]
) => {
  const before = events.reduce((health, event) => afterEvent(health, from, event), startHealth(from.listener.check, 0))
  return afterReconfiguration(before, from, to, 9)
}

t.test('a reload that changes checks leaves the verdict until the new ones have decided', async (t) => {
  const from = configOf({ check: { rise: 2, fall: 3 } })
  const agents = { agent_check: { port: 5555 } }
  const table = [
    ['interval', configOf({ check: { rise: 2, fall: 3, interval: '7s' } }), [4]],
    ['path and port', configOf({ check: { rise: 2, fall: 3, port: 9223, path: '/primary' } }), [4]],
    ['type', configOf({ check: { type: 'tcp' } }), [4]],
    ['rise', configOf({ check: { rise: 10, fall: 3 } }), [12]],
    ['fall', configOf({ check: { rise: 2, fall: 1 } }), [2]],
    ['an agent-check', configOf({ check: { rise: 2, fall: 3 }, ...agents }), [4]],
    ['a second check', configOf({ check: [{ type: 'tcp', rise: 1, fall: 5 }, {}] }), [5, 4]],
  ] as const
  for (const [name, to, counters] of table) {
    t.match(factOf(reloaded(from, to, checked(good)), to), { up: true, since: 5, counters }, name)
    t.match(factOf(reloaded(from, to, checked(bad)), to), { up: false, counters: counters.map(() => 0) }, name)
    t.match(factOf(reloaded(from, to), to), { up: false, counters: counters.map(() => null) }, `${name}, unchecked`)
  }
})

t.test(
  'a check that a reload adds takes its own time to take a server down, one that it removes leaves nothing',
  async (t) => {
    const one = configOf({ check: { rise: 2, fall: 3 } })
    const two = configOf({
      check: [
        { rise: 2, fall: 3 },
        { type: 'tcp', rise: 2, fall: 3 },
      ],
    })
    let health = reloaded(one, two, checked(good))
    const then = [bad, bad, bad].map((outcome) => {
      health = afterEvent(health, two, checked(outcome, 1))
      return statusWord(factOf(health, two))
    })
    t.same(then, ['UP 2/3', 'UP 1/3', 'DOWN'])
    t.match(factOf(afterReconfiguration(health, two, one, 9), one), { up: true, since: 9, counters: [4] })
    const other = configOf({ check: { type: 'tcp', rise: 2, fall: 3 } })
    t.match(factOf(afterReconfiguration(health, two, other, 9), other), { up: false, counters: [0] })
  },
)

t.test('under other thresholds a verdict stays, whatever they are', async () => {
  const threshold = fc.record({ rise: fc.integer({ min: 1, max: 100 }), fall: fc.integer({ min: 1, max: 100 }) })
  fc.assert(
    fc.property(threshold, threshold, fc.nat(), (from, to, number) => {
      const counter = number % (from.rise + from.fall)
      const now = rescaled(counter, from, to) ?? -1
      return isUp(now, to) === isUp(counter, from) && now >= 0 && now < to.rise + to.fall
    }),
  )
})

t.test('what an agent said goes with its check in a reload, and a role until a good answer tells none', async (t) => {
  const with_ = configOf({ agent_check: { port: 5555 } })
  const without = configOf({})
  const back = reloaded(with_, without, checked(good), line('maint'))
  t.match(factOf(back, without), { admin: 'ready', up: false, counters: [null], agent: null })
  const primary = checked(result(passed('L7OK', 'fine', { role: 'primary' })))
  const to = configOf({ check: { path: '/other' } })
  const moved = reloaded(without, to, primary)
  t.match(factOf(moved, to), { role: 'primary', roleIsOld: true })
  t.equal(factOf(afterEvent(moved, to, checked(bad)), to).role, 'primary')
  t.match(factOf(afterEvent(moved, to, checked(good)), to), { role: 'unknown', roleIsOld: false })
  const more = configOf({ check: [{}, { path: '/other' }] })
  t.equal(factOf(reloaded(without, more, primary), more).roleIsOld, true, 'a check that is added')
  t.equal(factOf(afterEvent(afterEvent(moved, to, primary), to, checked(good)), to).role, 'primary')
})

t.test('an agent that is silent loses its say after `fall` checks, or when the operator orders ready', async (t) => {
  const config = configOf({ agent_check: { port: 5555, fall: 3 } })
  const silent: HealthEvent = { event: 'agent-silent', text: 'nothing listens on port 5555', at: 7 }
  t.same(words(config, checked(good), line('drain'), silent, silent, silent), ['UP', 'DRAIN', 'DRAIN', 'DRAIN', 'UP'])
  t.same(words(config, checked(good), line('drain'), silent, line('50%'), silent, silent), [
    ...['UP', 'DRAIN', 'DRAIN', 'DRAIN', 'DRAIN', 'DRAIN'],
  ])
  t.same(words(config, checked(good), line('down'), order({ admin: 'ready' })), ['UP', 'DOWN', 'DOWN'])
  t.same(words(config, checked(good), line('drain'), silent, order({ admin: 'ready' })), ['UP', 'DRAIN', 'DRAIN', 'UP'])
  t.match(after(config, checked(good), line('drain 10%'), silent, silent, silent), {
    agent: null,
    weight: 1,
    agentCheck: { failures: 3, silent: true, reason: 'nothing listens on port 5555' },
  })
  t.match(after(config, line('dra\u001bin 50%'), line('ready wobble')), {
    agent: { percent: 50, admin: 'ready' },
    agentCheck: { unknown: 2, lastUnknown: 'wobble' },
  })
})

t.test('an order tells since when it holds, and repeating it changes nothing of that', async (t) => {
  const config = configOf({})
  const at = (moment: number, orders: Parameters<typeof order>[0]): HealthEvent => ({
    event: 'ordered',
    orders,
    at: moment,
  })
  const twice = after(config, at(3, { admin: 'drain' }), at(4, { admin: 'drain' }), at(5, { weight: 9 }))
  t.match(twice.orders, { admin: 'drain', adminSince: 3, weight: 9, weightSince: 5 })
  t.match(after(config, at(3, { admin: 'drain' }), at(4, { admin: 'ready' })).orders, { adminSince: null })
})

t.test('roles follow the last answer that told one', async (t) => {
  const config = configOf({})
  const role = (name: 'primary' | 'replica') => checked(result(passed('L7OK', 'fine', { role: name })))
  t.equal(after(config, role('primary')).role, 'primary')
  t.equal(after(config, role('primary'), role('replica')).role, 'replica')
  t.equal(after(config, role('primary'), checked(good)).role, 'primary')
  t.equal(after(config, role('primary'), checked(bad)).role, 'primary', 'one lost answer does not move a writer')
  t.equal(after(config, role('primary'), checked(hard)).role, 'unknown', 'a server that is down is no primary')
})

t.test('the free connections that reports tell scale the weight, and the least of several checks counts', async (t) => {
  const config = configOf({ check: [{ weight_from_report: true }, {}] }, { weight: 40 })
  const told = (percent: number | null) => result(passed('L7OK', 'fine', { percent }))
  const weightAfter = (...events: readonly HealthEvent[]) =>
    factOf(
      events.reduce((health, event) => afterEvent(health, config, event), startHealth(config.listener.check, 0)),
      config,
    ).weight
  t.equal(weightAfter(), 40)
  t.equal(weightAfter(checked(told(75))), 30)
  t.equal(weightAfter(checked(told(75)), checked(told(50), 1)), 20)
  t.equal(weightAfter(checked(told(75)), checked(told(null))), 40, 'an answer without it takes it back')
  t.equal(weightAfter(checked(told(0))), 1, 'a full server keeps the least weight: it did not ask to leave')
})

t.test('a check that this host could not make is shown and counts for nothing', async (t) => {
  const config = configOf({ check: { rise: 1, fall: 1 } })
  const up = afterEvent(startHealth(config.listener.check, 0), config, checked(good))
  const short = afterEvent(up, config, checked(result(notMade('ports', 'EADDRNOTAVAIL'))))
  t.match(factOf(short, config), { up: true, lastCheck: { passed: false, status: 'SOCKERR', reason: 'out-of-ports' } })
  t.same(factOf(short, config).counters, factOf(up, config).counters)
  const never = afterEvent(
    startHealth(config.listener.check, 0),
    config,
    checked(result(notMade('descriptors', 'EMFILE'))),
  )
  t.match(factOf(never, config), { up: false, counters: [null] }, 'nor for a first check')
  const forced = afterEvent(up, config, checked(result(failed('L7STS', 'force-fail', 'taken out', { hard: true }))))
  const after = afterEvent(forced, config, checked(result(notMade('memory', 'ENOBUFS'))))
  t.match(factOf(after, config), { up: false, refusing: true }, 'an order stays')
})

t.test('a last resort is up as a backup and has no role, until it serves as before', async (t) => {
  const config = configOf({})
  const primary = result(passed('L7OK', 'fine', { role: 'primary' }))
  const last = result(passed('L7OKC', 'a donor', { lastResort: true, reason: 'donor' }))
  t.match(after(config, checked(primary), checked(last)), { up: true, backup: true, role: 'unknown', draining: false })
  t.match(after(config, checked(primary), checked(last), checked(primary)), {
    up: true,
    backup: false,
    role: 'primary',
  })
  t.match(after(config, checked(last), checked(hard)), { up: false, backup: false })
  t.match(after(configOf({}, { backup: true }), checked(primary)), { backup: true })
})
