// Behaviours: what a reload changes, and what it leaves alone.

import { waitFor } from '../../lab/wait-for.ts'
import type { Behaviour } from './behaviour.ts'
import { closeAll } from './client.ts'

const entries = (keys: { readonly [key: string]: unknown }): readonly object[] => {
  const { servers } = keys
  return Array.isArray(servers) ? servers : []
}

export const reloadBehaviours: readonly Behaviour[] = [
  {
    name: 'servers-change',
    title: 'a reload adds, renames and removes servers: only sessions of those that go end',
    about: ['servers.address'],
    servers: ['a', 'b'],
    see: async (t, { keys, holdEach, become, addServer, untilStatus, untilSpread, showServer }) => {
      const [a, b] = entries(keys)
      const held = await holdEach({ a: 1, b: 1 })
      const { keys: c } = await addServer('c')
      t.match(await become({ ...keys, servers: [a, b, c] }), /server c added/)
      await untilStatus('c', 'UP')
      await untilSpread({ a: 2, b: 2, c: 2 })
      t.match(await become({ ...keys, servers: [{ ...a, name: 'z' }, b, c] }), /server a: now named z/)
      await waitFor('its session to be told by its new name', async () => (await showServer('z')).sessions === 1)
      for (const one of held) t.ok(await one.echoes())
      t.match(await become({ ...keys, servers: [{ ...a, name: 'z' }, c] }), /server b removed/)
      await untilSpread({ a: 2, c: 2 })
      for (const one of held) {
        if (one.server === 'b') t.equal(await one.ended, 'reset')
        else t.ok(await one.echoes())
      }
      closeAll(held)
    },
  },
  {
    name: 'keys-change',
    title: 'a reload of balance, weights and limits leaves every session alone',
    about: ['balance roundrobin', 'balance leastconn', 'servers.weight', 'max_connections'],
    servers: ['a', 'b'],
    see: async (t, { can, keys, hold, become, untilSpread }) => {
      const [a, b] = entries(keys)
      const held = await hold(6)
      await become({ ...keys, servers: [{ ...a, weight: 3 }, b] })
      await untilSpread({ a: 6, b: 2 })
      const balance = can('balance', 'leastconn') === 'no' ? 'random' : 'leastconn'
      await become({ ...keys, balance, max_connections: 100, timeouts: { client: '1h' } })
      for (const one of held) t.ok(await one.echoes())
      await become(keys)
      await untilSpread({ a: 3, b: 3 })
      for (const one of held) t.ok(await one.echoes())
      closeAll(held)
    },
  },
  {
    name: 'binds-change',
    title: 'a reload adds and removes an address of a listener: sessions at the others go on',
    about: ['bind'],
    servers: ['a', 'b'],
    spares: 1,
    see: async (t, { can, keys, holdEach, become, freePort, untilSpread }) => {
      const port = freePort()
      const { bind } = keys
      const held = await holdEach({ a: 1, b: 1 })
      await become({ ...keys, bind: [bind, `198.18.0.3:${port}`].flat() })
      await untilSpread({ a: 2, b: 2 }, { port })
      const beside = await holdEach({ a: 1, b: 1 }, { port })
      await become(keys)
      for (const one of beside) {
        if (can('bind') === 'yes') t.ok(await one.echoes(), 'who came by the old one goes on')
        else t.equal(await one.ended, 'reset')
      }
      await untilSpread({ '-': 1 }, { port })
      for (const one of held) t.ok(await one.echoes())
      await untilSpread({ a: 2, b: 2 })
      closeAll([...held, ...beside])
    },
  },
  {
    name: 'datapath-change',
    title: 'a reload has another datapath forward, and back again: sessions end, and the next clients are served',
    about: ['bind'],
    servers: ['a', 'b'],
    see: async (t, { datapath, keys, open, become, show }) => {
      // A server that is prepared for direct server return keeps what it answers to a translated address.
      const other = datapath === 'userspace' ? 'kernel' : 'userspace'
      for (const next of [other, datapath]) {
        const before = await open()
        t.not(before.server, '-')
        await become({ ...keys, datapath: next })
        t.equal(await before.ended, 'reset')
        t.equal((await show()).datapath, next)
        const after = await waitFor(`a client to be served by ${next}`, async () => {
          const one = await open()
          return one.server === '-' ? undefined : one
        })
        t.ok(await after.echoes())
        after.close()
      }
    },
  },
  {
    name: 'listeners-change',
    title: 'a reload adds, moves and removes listeners: an address that is no longer served ends its sessions',
    about: ['bind'],
    servers: ['a', 'b'],
    spares: 2,
    see: async (t, { keys, open, become, freePort }) => {
      const port = freePort()
      const moved = freePort()
      const first = await open()
      const other = (at: number) => ({ ...keys, name: 'listeners-other', bind: `198.18.0.3:${at}` })
      t.equal((await open({ port })).server, '-')
      t.match(await become(keys, other(port)), /listener listeners-other added/)
      const second = await waitFor('the new listener to serve', async () => {
        const one = await open({ port })
        return one.server === '-' ? undefined : one
      })
      await become(keys, other(moved))
      const third = await waitFor('its new address to be served', async () => {
        const one = await open({ port: moved })
        return one.server === '-' ? undefined : one
      })
      await waitFor('its old one not to be', async () => (await open({ port })).server === '-')
      t.match(await become(keys), /listener listeners-other removed/)
      await waitFor('its session to end', () => !third.isOpen())
      t.equal(await third.ended, 'reset')
      await waitFor('nobody to be served', async () => (await open({ port: moved })).server === '-')
      t.ok(await first.echoes())
      closeAll([first, second])
    },
  },
]
