// The scenarios that HAProxy and our balancer are both put through: how each is told, what happens, what must come of it.

import { type Actor, actorPorts, type Manner } from './actor.ts'
import { openSession, type Side, spread, type TestSession } from './sides.ts'

/** One thing that happens, and what is to be seen then, on either side. */
export type Step = {
  readonly when: string
  readonly act?: (actors: Readonly<Record<string, Actor>>) => Promise<void>
  readonly order?: (side: Side, scenario: string) => Promise<void>
  readonly see: (stage: Stage) => Promise<unknown>
  readonly expected: unknown
}

/** What a step looks at. `held` are sessions that earlier steps of this side opened. */
export type Stage = {
  readonly side: Side
  readonly scenario: string
  readonly port: number
  readonly held: TestSession[]
}

/** A scenario: lines of an HAProxy `listen` section and of its servers, and the keys of ours. */
export type Scenario = {
  readonly name: string
  readonly title: string
  readonly servers: readonly string[]
  readonly haproxy: readonly string[]
  readonly haproxyServer: (actor: Actor) => string
  readonly ours: object
  readonly oursServer?: (actor: Actor) => object
  readonly steps: readonly Step[]
}

const behave =
  (name: string, change: Partial<Manner>): NonNullable<Step['act']> =>
  async (actors) => {
    await actors[name]?.behave(change)
  }
const spreadOf =
  (count: number): Step['see'] =>
  ({ port }) =>
    spread(port, count)
const states: Step['see'] = ({ side, scenario }) => side.states(scenario)
const hold =
  (count: number): Step['see'] =>
  async ({ port, held }) => {
    for (const session of held.splice(0)) session.close()
    for (let i = 0; i < count; i += 1) held.push(await openSession(port))
    return held
      .map(({ server }) => server)
      .sort()
      .join('')
  }
const heldOpen: Step['see'] = async ({ held }) =>
  held
    .filter((session) => session.isOpen())
    .map(({ server }) => server)
    .sort()
    .join('')

const quick = 'inter 200 rise 1 fall 1'
const httpLines = ['option httpchk GET /', 'timeout check 10s']
const byHttp = `check port ${actorPorts.checks} ${quick}`
const pace = { interval: '200ms', timeout: '10s', rise: 1, fall: 1 }

/** A scenario whose servers are checked over HTTP at a port of their own. */
const overHttp = (
  scenario: Omit<Scenario, 'haproxyServer' | 'ours' | 'haproxy'> & {
    readonly haproxy?: readonly string[]
    readonly haproxyServer?: (actor: Actor) => string
    readonly ours?: object
    readonly check?: object
  },
): Scenario => ({
  ...scenario,
  haproxy: [...httpLines, ...(scenario.haproxy ?? [])],
  haproxyServer: (actor) => `${byHttp} ${scenario.haproxyServer?.(actor) ?? ''}`,
  ours: { check: { type: 'http', port: actorPorts.checks, ...pace, ...scenario.check }, ...scenario.ours },
})

const weights: Readonly<Record<string, number>> = { a: 3, b: 1 }
const bothUp = { when: 'both are up', see: states, expected: { a: 'UP', b: 'UP' } }

/** All of them. HAProxy spreads first checks over the longest interval from 1 s up: all are shorter here. */
export const scenarios: readonly Scenario[] = [
  overHttp({
    name: 'roundrobin',
    title: 'roundrobin: equal servers take turns',
    servers: ['a', 'b'],
    steps: [bothUp, { when: 'six sessions come', see: spreadOf(6), expected: { a: 3, b: 3 } }],
  }),
  overHttp({
    name: 'weights',
    title: 'roundrobin: sessions follow the weights, also when an operator changes one',
    servers: ['a', 'b'],
    haproxyServer: ({ name }) => `weight ${weights[name]}`,
    oursServer: ({ name }) => ({ weight: weights[name] }),
    steps: [
      bothUp,
      { when: 'eight sessions come', see: spreadOf(8), expected: { a: 6, b: 2 } },
      {
        when: 'a gets weight 0',
        order: (side, scenario) => side.weigh(scenario, 'a', 0),
        see: spreadOf(4),
        expected: { b: 4 },
      },
      { when: 'its state is shown', see: states, expected: { a: 'UP', b: 'UP' } },
    ],
  }),
  overHttp({
    name: 'leastconn',
    title: 'leastconn: the server with fewer sessions gets the next one',
    servers: ['a', 'b'],
    haproxy: ['balance leastconn'],
    ours: { balance: 'leastconn' },
    steps: [bothUp, { when: 'four sessions stay open', see: hold(4), expected: 'aabb' }],
  }),
  overHttp({
    name: 'first',
    title: 'first: the first server until it is full',
    servers: ['a', 'b'],
    haproxy: ['balance first'],
    haproxyServer: () => 'maxconn 2',
    ours: { balance: 'first' },
    oursServer: () => ({ max_connections: 2 }),
    steps: [
      bothUp,
      { when: 'four sessions come and go', see: spreadOf(4), expected: { a: 4 } },
      { when: 'three sessions stay open', see: hold(3), expected: 'aab' },
    ],
  }),
  overHttp({
    name: 'source',
    title: 'source: a client stays with one server',
    servers: ['a', 'b'],
    haproxy: ['balance source', 'hash-type consistent'],
    ours: { balance: 'source' },
    steps: [
      bothUp,
      {
        when: 'six sessions come from one address',
        see: async ({ port }) => Object.values(await spread(port, 6)),
        expected: [6],
      },
    ],
  }),
  overHttp({
    name: 'backup',
    title: 'backup: the first backup serves only while no active server is up',
    servers: ['a', 'b', 'c'],
    haproxyServer: ({ name }) => (name === 'a' ? '' : 'backup'),
    oursServer: ({ name }) => ({ backup: name !== 'a' }),
    steps: [
      { when: 'all are up', see: spreadOf(3), expected: { a: 3 } },
      { when: 'the active one fails', act: behave('a', { status: 503 }), see: spreadOf(4), expected: { b: 4 } },
      { when: 'it is back', act: behave('a', { status: 200 }), see: spreadOf(4), expected: { a: 4 } },
    ],
  }),
  overHttp({
    name: 'allbackups',
    title: 'all backups: they share the sessions',
    servers: ['a', 'b', 'c'],
    haproxy: ['option allbackups'],
    haproxyServer: ({ name }) => (name === 'a' ? '' : 'backup'),
    ours: { all_backups: true },
    oursServer: ({ name }) => ({ backup: name !== 'a' }),
    steps: [
      { when: 'the active one fails', act: behave('a', { status: 503 }), see: spreadOf(4), expected: { b: 2, c: 2 } },
    ],
  }),
  overHttp({
    name: 'status',
    title: 'http check: 2xx and 3xx pass, everything else fails, and nobody is left in the end',
    servers: ['a', 'b'],
    steps: [
      { when: 'a redirects', act: behave('a', { status: 302 }), see: states, expected: { a: 'UP', b: 'UP' } },
      { when: 'a says 500', act: behave('a', { status: 500 }), see: states, expected: { a: 'DOWN', b: 'UP' } },
      { when: 'sessions go to b', see: spreadOf(3), expected: { b: 3 } },
      { when: 'b says 404', act: behave('b', { status: 404 }), see: states, expected: { a: 'DOWN', b: 'DOWN' } },
      { when: 'sessions end at once', see: spreadOf(2), expected: { '-': 2 } },
    ],
  }),
  overHttp({
    name: 'body',
    title: 'http check: the body must hold a text',
    servers: ['a', 'b'],
    haproxy: ['http-check expect string fine'],
    check: { expect: { body_contains: 'fine' } },
    steps: [
      bothUp,
      { when: 'the text is gone', act: behave('a', { body: 'broken' }), see: states, expected: { a: 'DOWN', b: 'UP' } },
    ],
  }),
  overHttp({
    name: 'disable404',
    title: 'disable-on-404: no new sessions, the open ones stay',
    servers: ['a', 'b'],
    haproxy: ['http-check disable-on-404'],
    check: { drain_on_404: true },
    steps: [
      bothUp,
      { when: 'two sessions stay open', see: hold(2), expected: 'ab' },
      { when: 'a says 404', act: behave('a', { status: 404 }), see: states, expected: { a: 'NOLB', b: 'UP' } },
      { when: 'new sessions go to b', see: spreadOf(3), expected: { b: 3 } },
      { when: 'the old ones are open', see: heldOpen, expected: 'ab' },
      { when: 'a says 503', act: behave('a', { status: 503 }), see: states, expected: { a: 'DOWN', b: 'UP' } },
      {
        when: 'a says 404 while it is down',
        act: behave('a', { status: 404 }),
        see: states,
        expected: { a: 'DOWN', b: 'UP' },
      },
    ],
  }),
  overHttp({
    name: 'shutdown',
    title: 'on-marked-down shutdown-sessions: the sessions of a server that goes down end',
    servers: ['a', 'b'],
    haproxyServer: () => 'on-marked-down shutdown-sessions',
    ours: { on_marked_down: 'shutdown_sessions' },
    steps: [
      bothUp,
      { when: 'two sessions stay open', see: hold(2), expected: 'ab' },
      { when: 'a goes down', act: behave('a', { status: 503 }), see: heldOpen, expected: 'b' },
    ],
  }),
  overHttp({
    name: 'keep',
    title: 'without it they go on',
    servers: ['a', 'b'],
    ours: { on_marked_down: 'keep' },
    steps: [
      bothUp,
      { when: 'two sessions stay open', see: hold(2), expected: 'ab' },
      { when: 'a goes down', act: behave('a', { status: 503 }), see: states, expected: { a: 'DOWN', b: 'UP' } },
      { when: 'they are open', see: heldOpen, expected: 'ab' },
    ],
  }),
  overHttp({
    name: 'markedup',
    title: 'on-marked-up shutdown-backup-sessions: back to the active server',
    servers: ['a', 'b'],
    haproxyServer: ({ name }) => (name === 'b' ? 'backup' : 'on-marked-up shutdown-backup-sessions'),
    ours: { on_marked_up: 'shutdown_backup_sessions' },
    oursServer: ({ name }) => ({ backup: name === 'b' }),
    steps: [
      bothUp,
      { when: 'a fails', act: behave('a', { status: 503 }), see: states, expected: { a: 'DOWN', b: 'UP' } },
      { when: 'two sessions stay open', see: hold(2), expected: 'bb' },
      { when: 'a is back', act: behave('a', { status: 200 }), see: heldOpen, expected: '' },
    ],
  }),
  overHttp({
    name: 'orders',
    title: 'an operator drains a server, takes it out, brings it back',
    servers: ['a', 'b'],
    haproxyServer: () => 'on-marked-down shutdown-sessions',
    steps: [
      bothUp,
      { when: 'two sessions stay open', see: hold(2), expected: 'ab' },
      {
        when: 'a is drained',
        order: (side, name) => side.order(name, 'a', 'drain'),
        see: states,
        expected: { a: 'DRAIN', b: 'UP' },
      },
      { when: 'new sessions go to b', see: spreadOf(3), expected: { b: 3 } },
      { when: 'the old ones are open', see: heldOpen, expected: 'ab' },
      {
        when: 'a is taken out',
        order: (side, name) => side.order(name, 'a', 'maint'),
        see: states,
        expected: { a: 'MAINT', b: 'UP' },
      },
      { when: 'its sessions end', see: heldOpen, expected: 'b' },
      {
        when: 'a is brought back',
        order: (side, name) => side.order(name, 'a', 'ready'),
        see: states,
        expected: { a: 'UP', b: 'UP' },
      },
      { when: 'both take sessions', see: spreadOf(4), expected: { a: 2, b: 2 } },
    ],
  }),
  overHttp({
    name: 'agent',
    title: 'agent-check: the line of a host drains, weighs and takes out its server',
    servers: ['a'],
    haproxyServer: () => `weight 100 agent-check agent-port ${actorPorts.lines} agent-inter 200`,
    ours: { agent_check: { port: actorPorts.lines, interval: '200ms' } },
    oursServer: () => ({ weight: 100 }),
    steps: [
      { when: 'it says that all is well', see: states, expected: { a: 'UP' } },
      { when: 'it says drain', act: behave('a', { line: 'drain' }), see: states, expected: { a: 'DRAIN' } },
      { when: 'it says ready', act: behave('a', { line: 'ready' }), see: states, expected: { a: 'UP' } },
      { when: 'it says 0%', act: behave('a', { line: '0%' }), see: spreadOf(2), expected: { '-': 2 } },
      { when: 'it says 50%', act: behave('a', { line: '50%' }), see: spreadOf(2), expected: { a: 2 } },
      { when: 'it says down', act: behave('a', { line: 'down #disk full' }), see: states, expected: { a: 'DOWN' } },
      { when: 'it says up', act: behave('a', { line: 'up' }), see: states, expected: { a: 'UP' } },
      { when: 'it says maint', act: behave('a', { line: 'maint' }), see: states, expected: { a: 'MAINT' } },
      { when: 'it says ready again', act: behave('a', { line: 'ready' }), see: states, expected: { a: 'UP' } },
    ],
  }),
  {
    name: 'tcp',
    title: 'tcp check: up while it can be connected to',
    servers: ['a', 'b'],
    haproxy: ['timeout check 10s'],
    haproxyServer: () => `check ${quick}`,
    ours: { check: { type: 'tcp', ...pace } },
    steps: [
      bothUp,
      { when: 'a refuses', act: behave('a', { accepts: false }), see: states, expected: { a: 'DOWN', b: 'UP' } },
      { when: 'sessions go to b', see: spreadOf(3), expected: { b: 3 } },
      { when: 'a accepts again', act: behave('a', { accepts: true }), see: states, expected: { a: 'UP', b: 'UP' } },
    ],
  },
  {
    name: 'redispatch',
    title:
      'redispatch and observe: a server refuses sessions although its check passes; clients do not notice, and it goes down',
    servers: ['a', 'b'],
    haproxy: [...httpLines],
    haproxyServer: () =>
      `check port ${actorPorts.checks} inter 900 rise 100 fall 1 observe layer4 error-limit 1 on-error mark-down`,
    ours: {
      check: { type: 'http', port: actorPorts.checks, interval: '900ms', timeout: '10s', rise: 100, fall: 1 },
      observe: { error_limit: 1, on_error: 'mark_down' },
    },
    steps: [
      bothUp,
      { when: 'a refuses sessions', act: behave('a', { accepts: false }), see: spreadOf(2), expected: { b: 2 } },
      { when: 'it is marked down although its check passes', see: states, expected: { a: 'DOWN', b: 'UP' } },
    ],
  },
]
