// Behaviours: which server a client gets.

import { waitFor } from '../../lab/wait-for.ts'
import type { Behaviour, Stage } from './behaviour.ts'
import { type Client, closeAll, serversOf } from './client.ts'

const weights: Readonly<Record<string, number>> = { a: 3, b: 1 }

/** The server of each client address. */
const homes = async ({ open }: Stage, addresses: readonly number[]): Promise<readonly string[]> => {
  const clients = await Promise.all(addresses.map((from) => open({ from })))
  closeAll(clients)
  return clients.map(({ server }) => server)
}

/** How long its servers start slowly, and the milliseconds of it. */
const slowStart = { key: '6s', millis: 6000 }

export const balanceBehaviours: readonly Behaviour[] = [
  {
    name: 'weights',
    title: 'roundrobin: clients follow the weights, also those that an operator orders; weight 0 gets none',
    about: ['balance roundrobin', 'servers.weight'],
    servers: ['a', 'b'],
    serverKeys: (name) => ({ weight: weights[name] }),
    see: async (t, { untilSpread, order, showServer }) => {
      await untilSpread({ a: 6, b: 2 })
      await order('a', 'weight 0')
      await untilSpread({ b: 4 })
      t.equal((await showServer('a')).status, 'UP')
      await order('a', 'weight 1')
      await untilSpread({ a: 3, b: 3 })
      await order('a', 'weight initial')
      await untilSpread({ a: 6, b: 2 })
    },
  },
  {
    name: 'leastconn',
    title: 'leastconn: the server with fewer sessions gets the next clients',
    about: ['balance leastconn'],
    needs: 'balance leastconn',
    servers: ['a', 'b'],
    keys: () => ({ balance: 'leastconn' }),
    see: async (t, { can, hold, show, spread }) => {
      const held = await hold(8)
      t.same(serversOf(held), { a: 4, b: 4 })
      closeAll(held.filter(({ server }) => server === 'a'))
      await waitFor('a to have no sessions', async () => (await show()).servers[0]?.sessions === 0)
      const next: Client[] = []
      if (can('balance', 'leastconn') === 'yes') {
        next.push(...(await hold(4)))
        t.same(serversOf(next), { a: 4 })
      } else {
        // Weights follow the sessions that are there, a second later: whoever comes meanwhile must not stay, or hundreds even it out.
        await waitFor('a to get most of the new ones', async () => {
          const { a = 0, b = 0 } = await spread(20)
          if (a < 2 * b) throw new Error(`a got ${a}, b ${b}`)
          return true
        })
      }
      closeAll([...held, ...next])
    },
  },
  {
    name: 'source',
    title: 'source: a client address stays with its server, and moves when that one is gone',
    about: ['balance source'],
    servers: ['a', 'b', 'c'],
    keys: () => ({ balance: 'source' }),
    see: async (t, stage) => {
      const { server, untilStatus, can } = stage
      const addresses = Array.from({ length: 24 }, (_, i) => i + 1)
      const before = await homes(stage, addresses)
      t.same(await homes(stage, addresses), before)
      for (const name of ['a', 'b', 'c']) t.ok(before.includes(name), `${name} has clients`)
      server('c').says({ passes: false, reason: 'not-ready' })
      await untilStatus('c', 'DOWN')
      const after = await waitFor('nobody to go to c', async () => {
        const seen = await homes(stage, addresses)
        return seen.includes('c') ? undefined : seen
      })
      t.notOk(after.includes('-'), 'nobody is turned away')
      const moved = addresses.filter((_, i) => before[i] !== 'c' && before[i] !== after[i])
      if (can('balance', 'source') === 'yes') t.same(moved, [], 'nobody else moves')
    },
  },
  {
    name: 'random',
    title: 'random: each server gets a part, by weight',
    about: ['balance random'],
    servers: ['a', 'b', 'c'],
    keys: () => ({ balance: 'random' }),
    serverKeys: (name) => ({ weight: name === 'c' ? 0 : 1 }),
    see: async (t, { spread }) => {
      const { a = 0, b = 0, ...others } = await spread(40)
      t.same(others, {})
      // Less than five of forty: once in ten million.
      t.ok(a >= 5 && b >= 5, `a ${a}, b ${b}`)
    },
  },
  {
    name: 'single',
    title: 'single: the writer alone gets sessions, a demotion ends them, and fail_back returns to the first',
    about: ['balance single', 'fail_back'],
    servers: ['a', 'b'],
    keys: () => ({ balance: 'single', fail_back: true }),
    see: async (t, { server, show, open, untilSpread }) => {
      server('a').says({ role: 'primary' })
      server('b').says({ role: 'replica' })
      await untilSpread({ a: 4 })
      const onA = await open()
      server('a').says({ role: 'replica' })
      server('b').says({ role: 'primary' })
      t.equal(await onA.ended, 'reset')
      await untilSpread({ b: 4 })
      t.equal((await show()).writer, 'b')
      const onB = await open()
      server('a').says({ role: 'primary' })
      t.equal(await onB.ended, 'reset', 'the first in the file is the writer again')
      await untilSpread({ a: 4 })
    },
  },
  {
    name: 'backup',
    title:
      'backup: the first one serves while no active server is up; those on it end when one is back, where asked for',
    about: ['servers.backup', 'on_marked_up'],
    servers: ['a', 'b', 'c'],
    keys: () => ({ on_marked_up: 'shutdown_backup_sessions' }),
    serverKeys: (name) => ({ backup: name !== 'a' }),
    see: async (t, { server, open, untilSpread }) => {
      await untilSpread({ a: 3 })
      server('a').says({ passes: false, reason: 'not-ready' })
      await untilSpread({ b: 4 })
      const onB = await open()
      server('a').says({ passes: true })
      t.equal(await onB.ended, 'reset')
      await untilSpread({ a: 3 })
    },
  },
  {
    name: 'all-backups',
    title: 'all_backups: they share the clients, and keep their sessions when an active server is back',
    about: ['all_backups', 'on_marked_up'],
    servers: ['a', 'b', 'c'],
    keys: () => ({ all_backups: true }),
    serverKeys: (name) => ({ backup: name !== 'a' }),
    see: async (t, { server, hold, untilSpread }) => {
      server('a').says({ passes: false, reason: 'not-ready' })
      await untilSpread({ b: 2, c: 2 })
      const held = await hold(2)
      server('a').says({ passes: true })
      await untilSpread({ a: 3 })
      for (const one of held) t.ok(await one.echoes())
      closeAll(held)
    },
  },
  {
    name: 'panic',
    title: 'panic_threshold: where too few servers pass, all are used that nobody took out',
    about: ['panic_threshold'],
    servers: ['a', 'b', 'c'],
    keys: () => ({ panic_threshold: 2 }),
    see: async (_, { server, show, order, untilSpread }) => {
      for (const name of ['a', 'b']) server(name).says({ passes: false, reason: 'not-ready' })
      await untilSpread({ a: 2, b: 2, c: 2 })
      await waitFor('the panic to be told', async () => (await show()).panicking)
      await order('a', 'maint')
      await untilSpread({ b: 2, c: 2 })
      server('b').says({ passes: true })
      await untilSpread({ b: 2, c: 2 })
      await waitFor('the panic to be over', async () => !(await show()).panicking)
      await order('a', 'ready')
      await untilSpread({ b: 2, c: 2 })
    },
  },
  {
    name: 'slow-start',
    title: 'slow_start: a server that comes up gets little at first, and its share in the end',
    about: ['slow_start'],
    servers: ['a', 'b'],
    keys: () => ({ slow_start: slowStart.key }),
    see: async (t, { server, untilStatus, spread, untilSpread, showServer }) => {
      await waitFor('b to have its full weight', async () => {
        return ((await showServer('b')).since?.ago_ms ?? 0) > slowStart.millis
      })
      const comeUp = async (): Promise<Readonly<Record<string, number>> | undefined> => {
        server('a').says({ passes: false, reason: 'not-ready' })
        await untilStatus('a', 'DOWN')
        await untilSpread({ b: 10 })
        server('a').says({ passes: true })
        await untilStatus('a', 'UP')
        const seen = await spread(20)
        // On a busy host the clients may have come when it had its share.
        return ((await showServer('a')).since?.ago_ms ?? 0) < slowStart.millis / 2 ? seen : undefined
      }
      const { a = 0, b = 0 } = await waitFor('clients soon after it is up', comeUp)
      t.ok(a < b, `a ${a}, b ${b}`)
      await untilSpread({ a: 10, b: 10 })
    },
  },
]
