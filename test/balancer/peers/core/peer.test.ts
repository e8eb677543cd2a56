import t from 'tap'
import { millis } from '../../../../balancer/core/time.ts'
import { differencesOf, heldByBoth } from '../../../../balancer/peers/core/differences.ts'
import { type Hello, protocol } from '../../../../balancer/peers/core/messages.ts'
import {
  attemptLimit,
  initialPeer,
  nextDeadline,
  type PeerEffect,
  type PeerEvent,
  type PeerState,
  silenceLimit,
  step,
} from '../../../../balancer/peers/core/peer.ts'
import { connectLimit, startSync, syncLimit } from '../../../../balancer/peers/core/start-sync.ts'
import { table } from './exceptions.ts'

const self = { routerId: 'lb1', instance: 'a'.repeat(16) }
const hello = (routerId: string, instance = 'b'.repeat(16), listeners: readonly string[] = ['mysql']): Hello => ({
  type: 'hello',
  ...{ protocol, routerId, instance, listeners },
})

type Given<E> = E extends PeerEvent ? Omit<E, 'now' | 'random'> & { readonly at: number } : never

/** Plays events; what was done after each of them. */
const play = (events: readonly Given<PeerEvent>[]): { state: PeerState; done: readonly (readonly PeerEffect[])[] } => {
  let state = initialPeer(self, [table('mysql', ['db1'])], millis(0))
  const done = events.map(({ at, ...event }) => {
    const [next, effects] = step(state, { ...event, now: millis(at), random: 1 } as PeerEvent)
    state = next
    return effects
  })
  return { state, done }
}
const due = (at: number): Given<PeerEvent> => ({ type: 'deadline-reached', at })
const connected = (link: number, direction: 'in' | 'out', at = 10): Given<PeerEvent> => ({
  ...{ type: 'connected', link, direction, at },
})
const heard = (link: number, message: Extract<PeerEvent, { type: 'message-received' }>['message'], at = 20) =>
  ({ type: 'message-received', link, message, at }) as const
const doing = (effects: readonly PeerEffect[] | undefined): readonly string[] =>
  (effects ?? []).map((effect) =>
    effect.do === 'send' ? `send ${effect.message.type}` : 'link' in effect ? `${effect.do} ${effect.link}` : effect.do,
  )

t.test('it connects at once, says who it is, and counts when the other one has', async (t) => {
  const { state, done } = play([
    due(0),
    connected(1, 'out'),
    heard(1, hello('lb2')),
    heard(1, { type: 'table', ...table('mysql', ['db1']) }),
  ])
  t.same(done.map(doing), [['connect'], ['send hello', 'send table'], ['up 1'], ['tables']])
  t.equal(state.current, 1)
})

t.test('of two connections both ends keep the one that the first name made', async (t) => {
  const both = [connected(1, 'out'), connected(2, 'in')]
  const first = play([...both, heard(2, hello('lb2')), heard(1, hello('lb2'))])
  t.equal(first.state.current, 1, 'lb1 keeps what it made')
  t.same(doing(first.done[3]), ['up 1', 'close 2'])
  const second = play([...both, heard(1, hello('lb0')), heard(2, hello('lb0'))])
  t.equal(second.state.current, 2, 'and takes what lb0 made')
  const kept = play([...both, heard(1, hello('lb2')), heard(2, hello('lb2'))])
  t.same([kept.state.current, doing(kept.done[3])], [1, ['close 2']])
})

t.test('a newer start of the other one takes the place of the older', async (t) => {
  const { state, done } = play([
    connected(1, 'out'),
    heard(1, hello('lb2')),
    connected(2, 'in'),
    heard(2, hello('lb2', 'c'.repeat(16))),
  ])
  t.equal(state.current, 2)
  t.same(doing(done[3]), ['up 2', 'close 1'])
})

t.test('who is silent is dead; who says nothing of himself is sent away; both are tried again', async (t) => {
  const silent = play([
    connected(1, 'out'),
    heard(1, hello('lb2'), 20),
    due(20 + silenceLimit - 1),
    due(20 + silenceLimit),
  ])
  t.same(doing(silent.done[2]), ['send beat'])
  t.same(doing(silent.done[3]), ['close 1', 'down'])
  t.equal(nextDeadline(silent.state), 20 + silenceLimit + 250)
  const nobody = play([connected(1, 'in'), { type: 'heard', link: 1, at: 2900 }, due(3010)])
  t.same(doing(nobody.done[2]), ['close 1', 'trouble', 'connect'])
})

t.test(
  'a beat tells which addresses are here, and those of the other one are heard by the connection that counts',
  async (t) => {
    const { done } = play([
      connected(1, 'out'),
      heard(1, hello('lb2')),
      { type: 'own-addresses-changed', holds: ['198.18.0.100'], at: 20 },
      due(600),
      heard(1, { type: 'beat', holds: ['198.18.0.100'] }, 610),
      heard(1, { type: 'beat' }, 620),
      heard(2, { type: 'beat', holds: ['198.18.0.100'] }, 630),
    ])
    t.match(done[3], [{ do: 'send', message: { type: 'beat', holds: ['198.18.0.100'] } }])
    t.same(done.slice(4), [[{ do: 'holds', addresses: ['198.18.0.100'] }], [{ do: 'holds', addresses: [] }], []])
    t.same(heldByBoth(['a', 'b'], ['c'], 'lb2'), [])
    t.match(heldByBoth(['a', 'b'], ['b', 'c'], 'lb2'), [
      { text: /^both are master: b is here and on lb2/, isPassing: true, isUsual: true },
    ])
  },
)

t.test('attempts come ever later, up to 5 s, and one without an answer is given up', async (t) => {
  let state = initialPeer(self, [], millis(0))
  const pauses: number[] = []
  let now = 0
  for (let i = 0; i < 7; i += 1) {
    const [trying, effects] = step(state, { type: 'deadline-reached', now: millis(now), random: 1 })
    t.same(doing(effects), ['connect'])
    const [failed, said] = step(trying, { type: 'attempt-failed', now: millis(now), why: 'refused', random: 1 })
    t.same(said, [{ do: 'trouble', why: 'refused' }])
    const next = nextDeadline(failed) ?? 0
    pauses.push(next - now)
    now = next
    state = failed
  }
  t.same(pauses, [250, 500, 1000, 2000, 4000, 5000, 5000])
  const given = play([due(0), due(attemptLimit)])
  t.same(doing(given.done[1]), ['abandon-attempt', 'trouble'])
})

t.test('what comes before a hello, or for a listener that was not announced, is unexpected', async (t) => {
  const { done } = play([
    connected(1, 'in'),
    heard(1, { type: 'synced' }),
    heard(1, { type: 'table', ...table('mysql', []) }),
    heard(1, hello('lb2')),
    heard(1, { type: 'table', ...table('other', []) }),
    heard(7, { type: 'synced' }),
  ])
  t.same(done.slice(1).map(doing), [['count-unexpected'], ['count-unexpected'], ['up 1'], ['count-unexpected'], []])
})

t.test('another program of the same name makes it patient; itself it is not', async (t) => {
  const replaced = play([
    connected(1, 'out'),
    heard(1, hello('lb2')),
    heard(1, { type: 'bye', why: 'another connection takes its place' }, 100),
  ])
  t.equal(nextDeadline(replaced.state), 5100)
  const itself = play([connected(1, 'out'), heard(1, hello('lb1', self.instance))])
  t.match(itself.done[1], [{ do: 'close' }, { do: 'trouble', why: /this balancer itself/ }])
})

t.test('a listener that comes or goes is a new hello; tables are those of all that were announced', async (t) => {
  const { done } = play([
    connected(1, 'out'),
    heard(1, hello('lb2', 'b'.repeat(16), ['a', 'b'])),
    heard(1, { type: 'table', ...table('a', []) }),
    heard(1, { type: 'table', ...table('b', []) }),
    heard(1, hello('lb2', 'b'.repeat(16), ['b'])),
    { type: 'own-tables-changed', own: [table('mysql', ['db2'])], at: 30 },
    { type: 'own-tables-changed', own: [table('mysql', ['db2']), table('c', [])], at: 40 },
    { type: 'own-tables-changed', own: [table('mysql', ['db2']), table('c', [])], at: 50 },
    { type: 'stop-requested', at: 60 },
  ])
  t.same(done.slice(2).map(doing), [
    [],
    ['tables'],
    ['tables'],
    ['send table'],
    ['send hello', 'send table'],
    [],
    ['close 1'],
  ])
})

t.test('differences are told in words', async (t) => {
  const texts = (own: Parameters<typeof differencesOf>[0], theirs: Parameters<typeof differencesOf>[0]) =>
    differencesOf(own, theirs, 'lb2').map(({ text, isPassing }) => `${isPassing ? 'passing ' : ''}${text}`)
  const one = table('mysql', ['db1', 'db2'])
  t.same(texts([one], [one]), [])
  t.same(texts([one], []), ['listener mysql is direct here and not on lb2'])
  t.same(texts([], [one]), ['listener mysql is direct on lb2 and not here'])
  t.same(texts([one], [table('mysql', ['db2', 'db1'], { servers: ['db1', 'db3'], hash: 'source', seed: 8 })]), [
    'listener mysql: only here: db2',
    'listener mysql: only on lb2: db3',
    'listener mysql: balance differs: by address and port here, by address alone on lb2',
  ])
  t.match(texts([one], [table('mysql', ['db1', 'db2'], { seed: 8 })]), [/another seed on lb2/])
  t.same(texts([one], [table('mysql', ['db1'])]), [
    'passing listener mysql: new sessions go to db1 1, db2 1 here, to db1 1 on lb2: see show servers on both; an order is given on each balancer, and a restart forgets none',
  ])
})

t.test('a start waits for who is connected, a moment for who is not, and for nobody for ever', async (t) => {
  const peer = (name: string, isConnected: boolean, isSynced: boolean) => ({ name, isConnected, isSynced })
  const at = (now: number, ...peers: readonly ReturnType<typeof peer>[]) => startSync(millis(0), millis(now), peers)
  t.same(at(0), { isOver: true, missing: [], lookAt: null })
  t.same(at(10, peer('a', true, true)), { isOver: true, missing: [], lookAt: null })
  t.same(at(10, peer('a', false, false)), { isOver: false, missing: ['a'], lookAt: connectLimit })
  t.same(at(3000, peer('a', false, false)), { isOver: true, missing: ['a'], lookAt: null })
  t.same(at(3000, peer('a', true, false), peer('b', false, false)), {
    isOver: false,
    missing: ['a', 'b'],
    lookAt: syncLimit,
  })
  t.same(at(10_000, peer('a', true, false)), { isOver: true, missing: ['a'], lookAt: null })
})
