// Behaviours: what passes through a connection, who may have one, how many there may be, and what is counted.

import { createHash, randomBytes } from 'node:crypto'
import { waitFor } from '../../lab/wait-for.ts'
import { type Behaviour, type Stage, shortQueue } from './behaviour.ts'
import { type Client, closeAll, serversOf } from './client.ts'

const sha = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

/** One client more than there is room for waits until somebody leaves, or is turned away where there is no queue. */
const oneTooMany = async (stage: Stage, leave: () => void): Promise<Client> => {
  if (stage.can('timeouts.queue') === 'no') {
    const { server } = await stage.open()
    if (server !== '-') throw new Error(`it got ${server}`)
    leave()
    return waitFor('a client to have the room', async () => {
      const another = await stage.open()
      return another.server === '-' ? undefined : another
    })
  }
  const { next } = await waitFor('one to wait', () => firstToWait(stage))
  leave()
  return next
}

/** Where sessions are counted once a second there is still room for those who come before that. */
const firstToWait = async ({ open, can }: Stage): Promise<{ readonly next: Promise<Client> } | undefined> => {
  const next = open()
  const early = await Promise.race([next, new Promise<null>((resolve) => setTimeout(resolve, 300, null))])
  if (early === null) return { next }
  if (can('max_connections') === 'yes') throw new Error(`it did not wait and got ${early.server}`)
  early.close()
  return undefined
}

const atOnce = ({ open }: Stage, count: number, from: number): Promise<readonly Client[]> =>
  Promise.all(Array.from({ length: count }, () => open({ from })))

const turnedAway = (clients: readonly Client[]): number => clients.filter(({ server }) => server === '-').length

export const connectionBehaviours: readonly Behaviour[] = [
  {
    name: 'bytes',
    title: 'every byte arrives, in both directions, and sessions and bytes are counted',
    about: ['bind'],
    servers: ['a', 'b'],
    see: async (t, { open, show, showServer, can }) => {
      // What a server answers by itself is what its agent says, and these say nothing of it.
      const isAnswerSeen = can('observe') === 'yes'
      const sent = randomBytes(4 * 1024 * 1024)
      const client = await open()
      const name = client.server
      await waitFor('the session to be counted', async () => (await showServer(name)).sessions === 1)
      client.say(sent)
      await waitFor('the echo', () => client.heard().length >= sent.length)
      t.equal(sha(client.heard()), sha(sent))
      client.close()
      const seen = await waitFor('the end to be counted', async () => {
        const one = await showServer(name)
        const bytes = [one.bytes_in, ...(isAnswerSeen ? [one.bytes_out] : [])]
        if (one.sessions !== 0 || bytes.some((count) => (count ?? 0) < sent.length))
          throw new Error(`${one.sessions} sessions, ${bytes.join(' and ')} bytes`)
        return one
      })
      t.equal(seen.total_sessions, 1)
      for (const bytes of [seen.bytes_in ?? 0, ...(isAnswerSeen ? [seen.bytes_out ?? 0] : [])]) {
        // Where packets are counted, so are their heads.
        t.ok(bytes >= sent.length && bytes < 1.2 * sent.length, `${bytes} of ${sent.length}`)
      }
      t.match(await show(), { sessions: 0, total_sessions: 1 })
    },
  },
  {
    name: 'half-close',
    title: 'a client that has said all hears the rest',
    about: ['bind'],
    servers: ['a'],
    see: async (t, { open }) => {
      const client = await open()
      client.say('all of this')
      client.finish()
      t.equal(await client.ended, 'end')
      t.equal(client.heard().toString('latin1'), 'all of thisbye')
    },
  },
  {
    name: 'ipv6',
    title: 'IPv6, and several addresses and ports',
    about: ['bind', 'servers.address'],
    servers: ['a', 'b'],
    family: 'ipv6',
    binds: 2,
    see: async (t, { untilSpread, show, holdEach, order }) => {
      for (const bind of [0, 1]) await untilSpread({ a: 2, b: 2 }, { bind })
      t.same(
        (await show()).binds.map(({ open }) => open),
        [true, true],
      )
      const held = [...(await holdEach({ a: 2, b: 2 }, { bind: 0 })), ...(await holdEach({ a: 2, b: 2 }, { bind: 1 }))]
      await order('a', 'drain')
      await untilSpread({ b: 2 })
      for (const one of held) t.ok(await one.echoes())
      await order('a', 'maint')
      for (const one of held) {
        if (one.server === 'a') t.equal(await one.ended, 'reset')
        else t.ok(await one.echoes())
      }
      closeAll(held)
    },
  },
  {
    name: 'addresses',
    title: 'several addresses and ports: they share servers and limits',
    about: ['bind', 'max_connections'],
    servers: ['a', 'b'],
    binds: 2,
    keys: (can) => ({ max_connections: 2, ...shortQueue(can) }),
    see: async (t, { hold, takesTurns, untilSpread }) => {
      const held = [...(await hold(1, { bind: 0 })), ...(await hold(1, { bind: 1 }))]
      if (takesTurns) t.same(serversOf(held), { a: 1, b: 1 })
      for (const bind of [0, 1]) await untilSpread({ '-': 1 }, { bind })
      closeAll(held)
    },
  },
  {
    name: 'listener-limit',
    title: 'max_connections: beyond it nobody gets a session before somebody leaves',
    about: ['max_connections'],
    servers: ['a', 'b'],
    // Where sessions are counted now and then, room is noticed late on a busy host.
    keys: (can) => ({ max_connections: 2, ...(can('timeouts.queue') === 'no' ? {} : { timeouts: { queue: '30s' } }) }),
    see: async (t, stage) => {
      const held = await stage.hold(2)
      if (stage.takesTurns) t.same(serversOf(held), { a: 1, b: 1 })
      const next = await oneTooMany(stage, () => held[0]?.close())
      t.ok(await next.echoes())
      await waitFor('them to be counted', async () => (await stage.show()).sessions === 2)
      closeAll([...held, next])
    },
  },
  {
    name: 'server-limit',
    title: 'servers.max_connections: a full server is passed over; where all are full nobody gets a session',
    about: ['servers.max_connections'],
    needs: 'servers.max_connections',
    servers: ['a', 'b'],
    serverKeys: (name) => ({ max_connections: name === 'a' ? 1 : 3 }),
    see: async (t, stage) => {
      const held: Client[] = []
      while (held.length < 4) {
        held.push(...(await stage.hold(1)))
        await waitFor('it to be counted', async () => (await stage.show()).sessions === held.length)
      }
      t.same(serversOf(held), { a: 1, b: 3 })
      const onA = held.find(({ server }) => server === 'a')
      const next = await oneTooMany(stage, () => onA?.close())
      t.equal(next.server, 'a')
      closeAll([...held, next])
    },
  },
  {
    name: 'idle',
    title: 'timeouts.client and timeouts.server: who is silent for too long has no session, who speaks has',
    about: ['timeouts.client', 'timeouts.server'],
    servers: ['a'],
    keys: () => ({ timeouts: { client: '3s', server: '3s' } }),
    see: async (t, { hold, show, datapath }) => {
      const [idle, busy] = await hold(2)
      if (idle === undefined || busy === undefined) throw new Error('no clients')
      const begun = performance.now()
      await waitFor('the time to be over', async () => (await busy.echoes()) && performance.now() > begun + 5000)
      if (datapath === 'direct') {
        const speaking = async (clients: readonly Client[], count: number): Promise<boolean> => {
          for (const one of clients) if (!(await one.echoes())) throw new Error('a session ended')
          return (await show()).sessions === count
        }
        await waitFor('the idle one to be forgotten', () => speaking([busy], 1))
        await waitFor('it to go on all the same, and to be known again', () => speaking([busy, idle], 2))
      } else {
        idle.say('is anybody there?')
        t.equal(await idle.ended, 'reset')
        t.equal(idle.heard().length, 0)
      }
      t.ok(await busy.echoes())
      closeAll([idle, busy])
    },
  },
  {
    name: 'allow',
    title: 'access: who is not allowed, or denied, is turned away and counted',
    about: ['access'],
    servers: ['a'],
    keys: () => ({ access: { allow: ['198.19.0.0/28'], deny: ['198.19.0.3'] } }),
    see: async (t, { spread, show }) => {
      t.same(await spread(2, { from: 2 }), { a: 2 })
      t.same(await spread(2, { from: 3 }), { '-': 2 }, 'denied')
      t.same(await spread(2, { from: 20 }), { '-': 2 }, 'not allowed')
      await waitFor('them to be counted', async () => (await show()).ends['denied'] === 4)
    },
  },
  {
    name: 'rate',
    title: 'access.connection_rate: more a second are turned away and counted',
    about: ['access'],
    servers: ['a'],
    keys: () => ({ access: { connection_rate: 3 } }),
    see: async (t, stage) => {
      const clients = await atOnce(stage, 20, 1)
      const refused = turnedAway(clients)
      t.ok(refused > 0 && refused <= 17, `${refused} refused`)
      await waitFor('them to be counted', async () => (await stage.show()).ends['rate'] === refused)
      closeAll(clients)
    },
  },
  {
    name: 'source-rate',
    title: 'access.connection_rate_per_source: one address does not use up what others have',
    about: ['access'],
    servers: ['a'],
    keys: () => ({ access: { connection_rate_per_source: 3 } }),
    see: async (t, stage) => {
      const clients = await atOnce(stage, 20, 1)
      const refused = turnedAway(clients)
      t.ok(refused > 0 && refused <= 17, `${refused} refused`)
      t.equal((await stage.open({ from: 2 })).server, 'a')
      await waitFor('them to be counted', async () => (await stage.show()).ends['source-rate'] === refused)
      closeAll(clients)
    },
  },
]
