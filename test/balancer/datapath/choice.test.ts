import fc from 'fast-check'
import t from 'tap'
import { pickRoundRobin, type RoundRobin } from '../../../balancer/datapath/core/round-robin.ts'
import { type Asking, type ChoosableServer, chooseServer } from '../../../balancer/datapath/userspace/core/choice.ts'

const server = (name: string, change: Partial<ChoosableServer> = {}): ChoosableServer => ({
  name,
  weight: 1,
  sessions: 0,
  maximumSessions: 0,
  ...change,
})

const picks = (servers: readonly ChoosableServer[], count: number): string[] => {
  let state: RoundRobin = new Map()
  return Array.from({ length: count }, () => {
    const next = pickRoundRobin(state, servers)
    state = next.state
    return next.picked?.name ?? '-'
  })
}

t.test('equal weights take turns', async (t) => {
  t.equal(picks([server('a'), server('b'), server('c')], 6).join(''), 'abcabc')
})

t.test('a heavy server is spread between the others', async (t) => {
  t.equal(picks([server('a', { weight: 5 }), server('b'), server('c')], 7).join(''), 'aabacaa')
})

t.test('over one round every server is picked exactly as often as its weight says', async (t) => {
  const weights = fc.array(fc.integer({ min: 0, max: 20 }), { minLength: 1, maxLength: 8 })
  const held = fc.property(weights, (list) => {
    const servers = list.map((weight, i) => server(`s${i}`, { weight }))
    const total = list.reduce((sum, weight) => sum + weight, 0)
    const picked = picks(servers, total)
    return servers.every(({ name, weight }) => picked.filter((other) => other === name).length === weight)
  })
  fc.assert(held)
  t.pass('held for all generated weights')
})

const nobody: Asking = { client: '198.18.0.200', tried: new Set(), only: null, random: () => 0.5 }

t.test('only servers that are not full and not tried are chosen', async (t) => {
  const choose = (servers: readonly ChoosableServer[], tried: readonly string[] = []) => {
    const choice = chooseServer(new Map(), servers, 'roundrobin', { ...nobody, tried: new Set(tried) })
    return choice.kind === 'server' ? choice.server.name : choice.kind
  }
  t.equal(choose([]), 'none-up')
  t.equal(choose([server('a'), server('b')], ['a']), 'b')
  t.equal(choose([server('a')], ['a']), 'none-left')
  t.equal(choose([server('a', { sessions: 2, maximumSessions: 2 }), server('b')]), 'b')
  t.equal(choose([server('a', { sessions: 2, maximumSessions: 2 })]), 'full')
  t.equal(choose([server('a', { sessions: 2, maximumSessions: 3 })]), 'a')
  t.equal(choose([server('a', { sessions: 9, maximumSessions: 0 })]), 'a')
})
