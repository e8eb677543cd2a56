// Debian's HAProxy is the judge: every scenario runs against it and against our balancer, with the same expected outcome.

import { randomInt } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import t from 'tap'
import { createLab } from '../lab/lab.ts'
import { freePort } from '../lab/mariadb.ts'
import { waitFor } from '../lab/wait-for.ts'
import { type Actor, actorPorts, startActor } from './actor.ts'
import { type Scenario, type Stage, type Step, scenarios } from './haproxy-scenarios.ts'
import { type Side, startHaproxy, startOurs, type TestSession } from './sides.ts'

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
const ours = await startOurs(
  place,
  scenarios.map((scenario) => listener(scenario, ourPorts.get(scenario.name) ?? 0)),
  ourPorts,
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
