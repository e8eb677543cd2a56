// Debian's HAProxy is the judge: every scenario runs against it and against our balancer, with the same expected outcome.

import { randomInt } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import t from 'tap'
import { hashPassword } from '../../balancer/config/password-file.ts'
import { createLab } from '../lab/lab.ts'
import { freePort } from '../lab/mariadb.ts'
import { waitFor } from '../lab/wait-for.ts'
import { type Actor, actorPorts, startActor } from './actor.ts'
import { type Scenario, type Stage, type Step, scenarios } from './haproxy-scenarios.ts'
import { checkStats, exported, hatopShows } from './haproxy-tools.ts'
import { openSession, type Side, startHaproxy, startOurs, type TestSession } from './sides.ts'

t.setTimeout(600_000)

const lab = await createLab({ name: 'e2e-haproxy' })
t.teardown(() => lab.destroy())

type Cast = Readonly<Record<string, Actor>>

// A network of its own within 127.0.0.0/8, should another run of this test be on its way.
const network = `127.${randomInt(100, 250)}`
const casts = new Map<string, Cast>()
for (const [i, { name, servers }] of scenarios.entries()) {
  const actors = await Promise.all(servers.map((server, k) => startActor(server, `${network}.${i}.${k + 1}`)))
  t.teardown(() => {
    for (const actor of actors) actor.close()
  })
  casts.set(name, Object.fromEntries(actors.map((actor) => [actor.name, actor])))
}
const castOf = (scenario: string): Cast => casts.get(scenario) ?? {}

const portsFor = async (): Promise<ReadonlyMap<string, number>> => {
  const ports = new Map<string, number>()
  for (const { name } of scenarios) ports.set(name, await freePort())
  return ports
}

const section = ({ name, haproxy, haproxyServer }: Scenario, port: number): string => {
  const servers = Object.values(castOf(name)).map(
    (actor) => `  server ${actor.name} ${actor.address}:${actorPorts.sessions} ${haproxyServer(actor)}`,
  )
  return [`listen ${name}`, `  bind 127.0.0.1:${port}`, ...haproxy.map((line) => `  ${line}`), ...servers].join('\n')
}

const listener = ({ name, ours, oursServer }: Scenario, port: number): object => ({
  name,
  bind: `127.0.0.1:${port}`,
  servers: Object.values(castOf(name)).map((actor) => ({
    name: actor.name,
    address: `${actor.address}:${actorPorts.sessions}`,
    ...oursServer?.(actor),
  })),
  ...ours,
})

const place = { directory: lab.directory, spawn: lab.spawn }
const theirPorts = await portsFor()
const haproxy = await startHaproxy(
  place,
  scenarios.map((scenario) => section(scenario, theirPorts.get(scenario.name) ?? 0)),
  theirPorts,
)
const ourPorts = await portsFor()
const password = join(lab.directory, 'status.password')
writeFileSync(password, await hashPassword('right'), { mode: 0o600 })
const pagePort = await freePort()
const ours = await startOurs(
  place,
  scenarios.map((scenario) => listener(scenario, ourPorts.get(scenario.name) ?? 0)),
  ourPorts,
  { bind: `127.0.0.1:${pagePort}`, users: [{ name: 'admin', password_file: password }] },
)

const show = (outcome: unknown): string => JSON.stringify(outcome)

/** What a side shows; it may take its time to get there. */
const outcomeOf = async (step: Step, stage: Stage): Promise<unknown> => {
  let seen: unknown
  const look = async (): Promise<boolean> => {
    seen = await step.see(stage)
    return isDeepStrictEqual(seen, step.expected)
  }
  await waitFor(step.when, look, { interval: 100 }).catch(() => undefined)
  return seen
}

for (const scenario of scenarios) {
  await t.test(scenario.title, async (t) => {
    const held = new Map<Side, TestSession[]>([
      [haproxy, []],
      [ours, []],
    ])
    for (const step of scenario.steps) {
      await step.act?.(castOf(scenario.name))
      for (const [side, sessions] of held) {
        await step.order?.(side, scenario.name)
        const stage = { side, scenario: scenario.name, port: side.port(scenario.name), held: sessions }
        const outcome = await outcomeOf(step, stage)
        t.same(outcome, step.expected, `${side.name}, when ${step.when}: ${show(outcome)}`)
      }
    }
    for (const sessions of held.values()) for (const session of sessions) session.close()
  })
}

/** A listener with two servers that are up and work, whatever the scenarios did with others. */
const pair = 'roundrobin'
const both = async (line: string): Promise<readonly [theirs: string, ours: string]> => [
  await haproxy.exchange(line),
  await ours.exchange(line),
]

await t.test('the runtime socket: keys, columns and fields are those of HAProxy', async (t) => {
  const keys = (info: string) => info.split('\n').flatMap((line) => /^([^:]+): /.exec(line)?.[1] ?? [])
  const [theirInfo, ourInfo] = (await both('show info')).map(keys)
  t.same(
    ourInfo?.filter((key) => !theirInfo?.includes(key)),
    [],
    'no key of our own',
  )
  t.match(ourInfo, theirInfo?.slice(0, 20), 'in the same order')

  const [theirRows = [], ourRows = []] = (await both('show stat')).map((text) => text.trimEnd().split('\n'))
  const head = ourRows[0]?.slice(0, -1) ?? ''
  t.equal(theirRows[0]?.slice(0, head.length), head, 'columns')
  const column = head.slice(2).split(',')
  const names = (rows: readonly string[]) =>
    rows.slice(1).map((row) => {
      const cells = row.split(',')
      return ['pxname', 'svname', 'iid', 'sid', 'type'].map((name) => cells[column.indexOf(name)]).join(' ')
    })
  t.same(names(ourRows), names(theirRows), 'rows, with their numbers')
  for (const line of [`show stat ${pair} 4 -1`, 'show stat 2 3 -1', 'show stat -1 4 2']) {
    const [theirs = [], our = []] = (await both(line)).map((text) => names(text.trimEnd().split('\n')))
    t.same(our, theirs, line)
  }

  /** What both have, without its value. */
  for (const line of ['show info typed', 'show stat typed', `show stat ${pair} 6 -1 typed`]) {
    const kinds = (text: string) =>
      new Map(
        text.split('\n').flatMap((field) => {
          const [, name = '', kind = ''] = /^([^:]+)(:\w+:\w+:)/.exec(field) ?? []
          return name === '' ? [] : [[name, kind] as const]
        }),
      )
    const [theirs = new Map(), our = new Map()] = (await both(line)).map(kinds)
    const common = new Map([...our].filter(([name]) => theirs.has(name)))
    t.ok(common.size > our.size * 0.9, `${line}: ${common.size} of our ${our.size} are there in HAProxy at this moment`)
    t.same(common, new Map([...theirs].filter(([name]) => common.has(name))), line)
  }
  const read = async (line: string) => {
    const [theirs = [], our = []] = (await both(line)).map((text) => JSON.parse(text).flat())
    const keyOf = ({ value, ...rest }: { value: { type: string } }) => JSON.stringify({ ...rest, type: value.type })
    const known = new Set(theirs.map(keyOf))
    const strange = our.map(keyOf).filter((key: string) => !known.has(key))
    t.ok(strange.length < our.length * 0.1, `${line}: ${strange.slice(0, 3)}`)
  }
  for (const line of ['show info json', 'show stat json']) await read(line)

  const places = (state: string) =>
    state.split('\n').map((line) => {
      const fields = line.split(' ')
      return line.startsWith('#') ? line : [...fields.slice(0, 5), fields[18], fields.length].join(' ')
    })
  const [theirState = [], ourState = []] = (await both('show servers state')).map(places)
  t.same(ourState, theirState, 'version, names of fields, servers')
  t.same(...(await both('show backend')), 'show backend')
})

await t.test('the runtime socket: refusals and conversations are the same, byte for byte', async (t) => {
  const lines = [
    'show servers state nope',
    'show stat nope -1 -1',
    'show servers conn nope',
    `get weight ${pair}`,
    'get weight nope/a',
    `get weight ${pair}/nope`,
    `get weight ${pair}/a`,
    'set weight nope/a 1',
    `set weight ${pair}/a`,
    `set weight ${pair}/a 1000`,
    `set server ${pair}`,
    `set server ${pair}/nope state ready`,
    `set server ${pair}/a state nope`,
    `set server ${pair}/a weight -5`,
    'enable server nope/a',
    `disable server ${pair}/nope`,
    'shutdown session',
    'shutdown session 0x123',
    `shutdown sessions server ${pair}`,
    'set timeout cli',
    'set timeout cli x',
    'set timeout nope 1',
    'set timeout cli 10',
    'show cli level',
    'show sess 0x1',
    `set weight ${pair}/a 50%; get weight ${pair}/a; set weight ${pair}/a 100%`,
    'show backend\nshow cli level',
    'prompt\nshow cli level\noperator\nshow cli level\nclear counters all\nquit',
  ]
  for (const line of lines) {
    const [theirs, our] = await both(line)
    t.equal(our, theirs, line)
  }
})

await t.test('the runtime socket: orders lead to the same state, and sessions are found and ended', async (t) => {
  const state = async (side: Side) => {
    const row = (await side.exchange(`show servers state ${pair}`)).split('\n').find((line) => line.includes(' a '))
    const [, , , , , operational, admin, weight, initial] = row?.split(' ') ?? []
    return { operational, admin, weight, initial }
  }
  const [ready, maintenance, drained] = [0, 1, 8].map((admin) => ({ admin: `${admin}` }))
  const steps = [
    [`disable server ${pair}/a`, { ...maintenance, operational: '0' }],
    [`enable server ${pair}/a`, { ...ready, operational: '2' }],
    [`set server ${pair}/a state drain`, { ...drained, operational: '2' }],
    [`set server ${pair}/a state ready`, { ...ready, weight: '1' }],
    [`set server ${pair}/a weight 7`, { weight: '7', initial: '1' }],
    [`set server ${pair}/a weight 100%`, { weight: '1', initial: '1' }],
  ] as const
  for (const [order, expected] of steps) {
    for (const side of [haproxy, ours]) {
      t.equal(await side.exchange(order), '\n', `${side.name}: ${order}`)
      const isSo = async () =>
        Object.entries(expected).every(([key, value]) => seen[key as keyof typeof seen] === value)
      let seen = await state(side)
      await waitFor(`${side.name} after ${order}`, async () => {
        seen = await state(side)
        return isSo()
      })
      t.match(seen, expected)
    }
  }
  for (const side of [haproxy, ours]) {
    const session = await openSession(side.port(pair))
    const shown = (await side.exchange('show sess'))
      .split('\n')
      .find((line) => line.includes(` fe=${pair} be=${pair} `))
    const form =
      /^(0x[0-9a-f]+): proto=tcpv4 src=127\.\d+\.\d+\.\d+:\d+ fe=\S+ be=\S+ srv=[ab] ts=\S+ .* exp=\S* rc=0 c_exp=$/
    t.match(shown, form, side.name)
    const [, id] = form.exec(shown ?? '') ?? []
    t.match(
      await side.exchange(`show sess ${id}`),
      new RegExp(`^${id}: \\[.*\\n {2}frontend=${pair} \\(id=2 mode=tcp\\)`, 's'),
    )
    t.equal(await side.exchange(`shutdown session ${id}`), '\n')
    await waitFor('its end', () => !session.isOpen())
  }
})

await t.test("Debian's tools for HAProxy work against it", async (t) => {
  for (const side of [haproxy, ours]) {
    await waitFor('both servers', async () => isDeepStrictEqual(await side.states(pair), { a: 'UP', b: 'UP' }))
    t.match(await checkStats(side.socket, pair), { said: /^Check haproxy OK/, status: 0 }, side.name)
    await side.order(pair, 'b', 'maint')
    t.match(await checkStats(side.socket, pair), { said: new RegExp(`${pair}:b is MAINT`), status: 2 }, side.name)
    await side.order(pair, 'b', 'ready')
    await waitFor('both servers', async () => isDeepStrictEqual(await side.states(pair), { a: 'UP', b: 'UP' }))
  }
  const found = [
    'haproxy_up 1',
    `haproxy_server_up{backend="${pair}",server="a"} 1`,
    'haproxy_exporter_csv_parse_failures_total 0',
  ]
  for (const uri of [`unix:${ours.socket}`, `http://admin:right@127.0.0.1:${pagePort}/status;csv`]) {
    const metrics = await exported(place, uri)
    for (const line of found) t.ok(metrics.includes(line), `${line} from ${uri}`)
  }
  const drawn = await hatopShows(ours.socket, new RegExp(pair))
  t.match(drawn, /balancer Version: \d/)
  t.match(drawn, /FRONTEND/)
})
