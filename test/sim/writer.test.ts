// Two balancers with checks at times of their own look at one cluster, and each chooses its single writer.

import t from 'tap'
import { balancerSchema, type ListenerConfig } from '../../balancer/config/schema.ts'
import { failed, passed } from '../../balancer/health/core/result.ts'
import { afterEvent, factOf, type ServerHealth, startHealth } from '../../balancer/health/core/server-health.ts'
import { chooseWriter } from '../../balancer/pool/core/writer.ts'
import { createRandom, type Random } from './random.ts'

type Role = 'primary' | 'replica' | 'unknown'
type Node = { readonly alive: boolean; readonly role: Role }

const names = ['a', 'b', 'c'] as const
const fall = 3
const rounds = 4000

const configOf = (failBack: boolean): ListenerConfig => {
  const [listener] = balancerSchema.parse({
    router_id: 'lb',
    listeners: [
      {
        name: 'mysql',
        bind: '127.0.0.1:3306',
        balance: 'single',
        fail_back: failBack,
        check: { rise: 2, fall },
        servers: names.map((name) => ({ name, address: '198.18.0.11:3306' })),
      },
    ],
  }).listeners
  if (listener === undefined) throw new Error('no listener')
  return listener
}

/** A balancer that only checks and chooses. `look` has it ask the nodes, in an order of its own. */
const createBalancer = (config: ListenerConfig, random: Random) => {
  const servers = new Map(config.servers.map((server) => [server.name, startHealth(config.check, 0)]))
  let writer: string | null = null
  const update = (name: string, change: (health: ServerHealth) => ServerHealth): void => {
    const health = servers.get(name)
    if (health !== undefined) servers.set(name, change(health))
    const healthOf = (server: string) => {
      const known = servers.get(server)
      const found = config.servers.find((candidate) => candidate.name === server)
      return known === undefined || found === undefined ? undefined : factOf(known, { listener: config, server: found })
    }
    writer = chooseWriter({ config, healthOf, current: writer })
  }
  return {
    writer: () => writer,
    look: (cluster: ReadonlyMap<string, Node>): void => {
      for (const server of shuffled(config.servers, random)) {
        const node = cluster.get(server.name)
        const answer = node?.alive ? passed('L7OK', 'ok', { role: node.role }) : failed('L4TOUT', 'timeout', 'silent')
        update(server.name, (health) =>
          afterEvent(
            health,
            { listener: config, server },
            {
              event: 'checked',
              check: 0,
              result: { ...answer, durationMs: 1, by: 'check', excuse: null },
              at: 0,
            },
          ),
        )
      }
    },
  }
}

const shuffled = <T>(items: readonly T[], random: Random): readonly T[] =>
  items
    .map((item) => ({ item, lot: random.next() }))
    .sort((one, other) => one.lot - other.lot)
    .map(({ item }) => item)

const clusterOf = (nodes: readonly (readonly [string, Node])[]): ReadonlyMap<string, Node> => new Map(nodes)

t.test('a cluster that names one primary: both choose it, however it wanders', async (t) => {
  for (const failBack of [false, true]) {
    const random = createRandom(failBack ? 11 : 12)
    const balancers = [0, 1].map(() => createBalancer(configOf(failBack), random))
    let cluster = clusterOf(names.map((name) => [name, { alive: true, role: name === 'a' ? 'primary' : 'replica' }]))
    let agreed = 0
    let changes = 0
    for (let round = 0; round < rounds; round += 1) {
      if (round % (fall + 2) === 0) {
        const primary = random.pick(names)
        const dead = random.chance(0.3) ? random.pick(names) : undefined
        cluster = clusterOf(
          names.map((name) => [name, { alive: name !== dead, role: name === primary ? 'primary' : 'replica' }]),
        )
        changes += 1
      }
      for (const balancer of balancers) balancer.look(cluster)
      if (round % (fall + 2) !== fall + 1) continue
      // Both have seen the same answers often enough: nobody may still write elsewhere.
      const [primary] = [...cluster].filter(([, { alive, role }]) => alive && role === 'primary').map(([name]) => name)
      for (const balancer of balancers) {
        if (balancer.writer() !== (primary ?? null)) t.fail(`round ${round}: ${balancer.writer()} and not ${primary}`)
      }
      agreed += 1
    }
    t.ok(agreed > 700 && changes > 700, `agreed ${agreed} times`)
  }
})

t.test('a cluster where all take writes: both move together from one failed writer to the next', async (t) => {
  for (const failBack of [false, true]) {
    const random = createRandom(failBack ? 21 : 22)
    const balancers = [0, 1].map(() => createBalancer(configOf(failBack), random))
    const alive = new Map<string, Node>(names.map((name) => [name, { alive: true, role: 'primary' }]))
    const used = new Set<string | null>()
    let moves = 0
    for (let change = 0; change < rounds / fall; change += 1) {
      const name = random.pick(names)
      alive.set(name, { alive: !(alive.get(name)?.alive ?? false), role: 'primary' })
      const before = balancers[0]?.writer()
      // One change, and then time enough for both to have seen it.
      for (let round = 0; round < fall + 1; round += 1) for (const balancer of balancers) balancer.look(alive)
      const [one, other] = balancers.map((balancer) => balancer.writer())
      if (one !== other) t.fail(`change ${change}: ${one} here and ${other} there`)
      if (one !== null && one !== undefined && !alive.get(one)?.alive) t.fail(`change ${change}: ${one} is dead`)
      if (one === null && [...alive.values()].some((node) => node.alive)) t.fail(`change ${change}: nobody writes`)
      used.add(one ?? null)
      if (one !== before) moves += 1
    }
    t.equal(used.size, names.length + 1, 'each was the writer, and sometimes nobody')
    t.ok(moves > 300, `${moves} moves`)
  }
})

t.test('answers that get lost now and then do not move a writer', async (t) => {
  const random = createRandom(31)
  const balancer = createBalancer(configOf(false), random)
  const healthy = clusterOf(names.map((name) => [name, { alive: true, role: 'primary' }]))
  const silent = clusterOf(names.map((name) => [name, { alive: false, role: 'primary' }]))
  balancer.look(healthy)
  const writer = balancer.writer()
  for (let round = 0; round < rounds; round += 1) {
    // At most `fall - 1` in a row are lost.
    for (let lost = random.integer(0, fall - 1); lost > 0; lost -= 1) balancer.look(silent)
    for (let heard = 0; heard < 2; heard += 1) balancer.look(healthy)
    if (balancer.writer() !== writer) t.fail(`round ${round}: ${balancer.writer()}`)
  }
  t.equal(balancer.writer(), writer)
})
