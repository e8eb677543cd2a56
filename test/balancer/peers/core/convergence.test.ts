import fc from 'fast-check'
import t from 'tap'
import { type Balancers, slotOf, startBalancers, timeout } from './balancers.ts'

t.setTimeout(600_000)

const clients = Array.from({ length: 12 }, (_, i) => `10.0.0.${i}:${1000 + i * 7}`)

/** A whole number below `most`, from a seed: replays. */
const dice = (seed: number): ((most: number) => number) => {
  let state = seed >>> 0
  return (most) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * most)
  }
}

const choices = [['db1', 'db2'], ['db1'], ['db2'], ['db1', 'db2', 'db3'], ['db3', 'db1']] as const

/** Sessions as their clients know them: the server that has them, and when they spoke last. */
type Sessions = Map<string, { readonly server: string; heardAt: number }>

const speak = (balancers: Balancers, active: number, sessions: Sessions, roll: (most: number) => number): void => {
  const client = clients[roll(clients.length)] ?? ''
  const session = sessions.get(client)
  // In its last seconds it may be over on one balancer and not on another.
  if (session === undefined || session.heardAt + timeout - 2000 <= balancers.now() || roll(10) === 0) {
    sessions.set(client, { server: balancers.begin(active, client), heardAt: balancers.now() })
    return
  }
  const server = balancers.send(active, client)
  if (server !== session.server) throw new Error(`${client} of ${session.server} was sent to ${server}`)
  session.heardAt = balancers.now()
}

/** All are told all: whatever is not what some slots say, is the same everywhere. */
const disagreements = (balancers: Balancers, count: number, sessions: Sessions): readonly string[] => {
  const wrong: string[] = []
  for (const [client, { server, heardAt }] of sessions) {
    if (heardAt + timeout - 2000 <= balancers.now()) continue
    for (let i = 0; i < count; i += 1) {
      const flow = balancers.flowsOf(i).get(client)
      const lives = flow !== undefined && flow.heardAt + timeout > balancers.now()
      const sent = lives ? flow.server : slotOf(['db1', 'db2'], client)
      if (sent !== server) wrong.push(`${client} of ${server} would be sent to ${sent} by ${i}`)
    }
  }
  return wrong
}

t.test(
  'however connections are cut and tables change, all send every session to its server when they are connected again',
  async () => {
    let failOvers = 0
    fc.assert(
      fc.property(fc.integer(), fc.constantFrom(2, 3), (seed, count) => {
        const roll = dice(seed)
        const balancers = startBalancers(count, () => roll(1_000_000) / 1_000_000)
        const sessions: Sessions = new Map()
        let active = 0
        const talk = (duration: number): void => {
          for (let spent = 0; spent < duration; spent += 500) {
            balancers.run(500)
            for (let i = 0; i < 3; i += 1) speak(balancers, active, sessions, roll)
          }
        }
        talk(3000)
        for (let round = 0; round < 4; round += 1) {
          // Trouble: cuts, restarts, tables that change on one before the others. The address stays where it is.
          const pairs = [
            [0, 1],
            ...(count === 3
              ? [
                  [1, 2],
                  [0, 2],
                ]
              : []),
          ] as const
          for (let i = 0; i < 4; i += 1) {
            const [one = 0, other = 1] = pairs[roll(pairs.length)] ?? []
            const node = roll(count)
            const deed = roll(5)
            if (deed === 0) balancers.cut(one, other, true)
            else if (deed === 1) balancers.cut(one, other, false)
            else if (deed === 2) balancers.setTargets(node, choices[roll(choices.length)] ?? choices[0])
            else if (deed === 3) {
              balancers.kill(node)
              balancers.run(roll(3000))
              balancers.start(node)
            }
            talk(roll(6000))
          }
          // It heals; tables become what they were everywhere.
          for (const [one = 0, other = 1] of pairs) balancers.cut(one, other, false)
          for (let i = 0; i < count; i += 1) balancers.setTargets(i, choices[0])
          talk(16_000)
          for (let i = 0; i < count; i += 1) {
            if (balancers.connected(i) !== count - 1) throw new Error(`${i} is connected to ${balancers.connected(i)}`)
          }
          for (const [i, to, wire] of balancers.currents()) {
            const back = balancers.currents().find(([from, at]) => from === to && at === i)?.[2]
            if (wire !== back) throw new Error(`${i} and ${to} do not use the same connection`)
          }
          balancers.run(3000)
          const wrong = disagreements(balancers, count, sessions)
          if (wrong.length > 0) throw new Error(wrong.join('\n'))
          // A fail-over: what the new one sends elsewhere is lost, and `speak` throws.
          const next = roll(count)
          if (next !== active) balancers.takeOver(next)
          active = next
          failOvers += 1
          talk(4000)
        }
      }),
      { numRuns: 25 },
    )
    t.ok(failOvers >= 100, `${failOvers} fail-overs`)
  },
)

t.test('a quiet cluster says nothing but what keeps exceptions alive', async (t) => {
  const balancers = startBalancers(3, () => 0.5)
  balancers.run(3000)
  for (const client of clients) balancers.begin(0, client)
  for (const node of [0, 1, 2]) balancers.setTargets(node, ['db2'])
  balancers.run(5000)
  const exceptions = clients.filter((client) => slotOf(['db1', 'db2'], client) !== 'db2')
  t.ok(exceptions.length > 2)
  for (const node of [1, 2]) {
    for (const client of exceptions) t.equal(balancers.flowsOf(node).get(client)?.server, 'db1')
  }
  balancers.run(5000)
  const before = balancers.said()
  t.ok(before > 0)
  balancers.run(20_000)
  t.equal(balancers.said(), before, 'sessions that are silent are no news')
  for (let i = 0; i < 5 * timeout; i += 5000) {
    balancers.run(5000)
    for (const client of exceptions) t.equal(balancers.send(0, client), 'db1')
    for (const node of [1, 2]) {
      const held = exceptions.filter((client) => {
        const flow = balancers.flowsOf(node).get(client)
        return flow !== undefined && flow.heardAt + timeout > balancers.now()
      })
      t.equal(held.length, exceptions.length, `node ${node} at ${balancers.now()}`)
    }
  }
})
