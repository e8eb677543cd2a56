// Behaviours: servers that die, fail, are taken out or cannot be reached, and what becomes of clients and sessions.

import { waitFor } from '../../lab/wait-for.ts'
import { type Behaviour, shortQueue } from './behaviour.ts'
import { type Client, closeAll, serversOf } from './client.ts'
import { standInPorts } from './stand-in.ts'

/** The client of each server. */
const byServer = (clients: readonly Client[], server: string): Client => {
  const found = clients.find((one) => one.server === server)
  if (found === undefined) throw new Error(`no client of ${server} among ${JSON.stringify(serversOf(clients))}`)
  return found
}

const died = { passes: false, reason: 'connection-refused' }

export const outageBehaviours: readonly Behaviour[] = [
  {
    name: 'orders',
    title: 'drain leaves sessions and takes no new ones, maint ends them, ready takes the server back',
    about: ['check'],
    servers: ['a', 'b'],
    see: async (t, { holdEach, order, untilSpread, showServer }) => {
      const held = await holdEach({ a: 1, b: 1 })
      await order('a', 'drain')
      await untilSpread({ b: 3 })
      t.equal((await showServer('a')).status, 'DRAIN')
      for (const one of held) t.ok(await one.echoes())
      await order('a', 'maint')
      t.equal(await byServer(held, 'a').ended, 'reset')
      t.ok(await byServer(held, 'b').echoes())
      await untilSpread({ b: 3 })
      await order('a', 'ready')
      await untilSpread({ a: 2, b: 2 })
      closeAll(held)
    },
  },
  {
    name: 'ended',
    title:
      'sessions end: those of a server, of a client, or one of a client; both sides hear a reset, all others go on',
    about: ['shutdown_grace'],
    servers: ['a', 'b'],
    // An order of an operator has none.
    keys: (can) => (can('shutdown_grace') === 'no' ? {} : { shutdown_grace: '10m' }),
    see: async (t, { holdEach, order, ask, server, show, untilSpread }) => {
      // Addresses that no other behaviour uses: orders about a client are for all listeners.
      const one = await holdEach({ a: 3, b: 3 }, { from: 23 })
      const other = await holdEach({ a: 2, b: 2 }, { from: 24 })
      const left = new Set([...one, ...other])
      /** The answer to an order; `usual` where it is late, which says nothing of what it did: elements of all listeners here change one by one. */
      const answerTo = async (command: string, usual: string): Promise<string> => {
        const said = await waitFor('no reload of others to be under way', async () => {
          const text = await ask(command)
          return text.startsWith('error: a reload') ? undefined : { text: text.trim() }
        })
        return said.text.includes('has not answered within') ? usual : said.text
      }
      /** What is to end, ends with a reset, and at the server too. */
      const ends = async (command: string, meant: readonly Client[], answer: string): Promise<void> => {
        t.equal(await answerTo(`sessions end ${command}`, answer), answer, command)
        for (const client of meant) t.equal(await client.ended, 'reset', command)
        for (const client of meant) left.delete(client)
        for (const client of left) t.ok(await client.echoes(), `${client.endpoint} goes on`)
        for (const name of ['a', 'b']) {
          const expected = [...left].filter((client) => client.server === name).length
          await waitFor(`${name} to have ${expected}`, () => server(name).sessions() === expected)
        }
      }
      // HAProxy's tools look at them one by one.
      const linesOf = async (): Promise<readonly string[]> =>
        (await ask('show sess')).split('\n').filter((line) => line.includes(' fe=ended be=ended '))
      const isListed = (lines: readonly string[], { endpoint, server: of }: Client): boolean =>
        lines.some((line) => line.includes(` src=${endpoint} `) && line.includes(` srv=${of} `))
      const lines = await waitFor('each to be listed', async () => {
        const listed = await linesOf()
        return [...left].every((client) => isListed(listed, client)) ? listed : undefined
      })
      t.equal(lines.length, left.size)
      const named = byServer(other, 'b')
      const id = lines.find((line) => isListed([line], named))?.split(':')[0]
      t.match(await ask(`show sess ${id}`), new RegExp(`^${id}: \\[.* source=${named.endpoint}\\n`))
      t.equal(await answerTo(`shutdown session ${id}`, ''), '', 'shutdown session')
      t.equal(await named.ended, 'reset', 'shutdown session')
      left.delete(named)
      const single = byServer(one, 'b')
      await ends(single.endpoint, [single], `1 session of ${single.endpoint} ended: 1 on ended/b`)
      await order('a', 'drain')
      await untilSpread({ b: 2 })
      const onA = [...left].filter((client) => client.server === 'a')
      await ends('ended/a', onA, `${onA.length} sessions ended on ended/a`)
      const ofOne = one.filter((client) => left.has(client))
      await ends('198.19.0.23', ofOne, `${ofOne.length} sessions of 198.19.0.23 ended: ${ofOne.length} on ended/b`)
      t.ok(left.size > 0, 'the other one still has sessions')
      await ends('198.19.0.23', [], '198.19.0.23 has no session here')
      await ends('ended/a', [], 'ended/a has no session here')
      await ends('ended/c', [], 'error: there is no server c in ended; there are a, b')
      const total = one.length + other.length - left.size
      await waitFor('them to be counted', async () => (await show()).ends['ordered'] === total)
      t.match(
        await ask('show events'),
        new RegExp(`By order of an operator at \\S+ ${onA.length} sessions ended on ended/a`),
      )
      closeAll([...left])
    },
  },
  {
    name: 'agent-line',
    title: 'agent_check: what the host of a server says of it counts',
    about: ['agent_check'],
    servers: ['a', 'b'],
    keys: () => ({ agent_check: { port: standInPorts.line, interval: '300ms' } }),
    see: async (_, { server, untilSpread }) => {
      server('a').says({ line: 'drain' })
      await untilSpread({ b: 3 })
      server('a').says({ line: 'ready 200%' })
      await untilSpread({ a: 4, b: 2 })
    },
  },
  {
    name: 'shutdown',
    title: 'on_marked_down: sessions of a server that goes down end at once, those of others go on',
    about: ['on_marked_down'],
    servers: ['a', 'b'],
    see: async (t, { holdEach, server, untilSpread }) => {
      const held = await holdEach({ a: 3, b: 3 })
      server('a').says(died)
      for (const one of held) {
        if (one.server === 'a') t.equal(await one.ended, 'reset')
        else t.ok(await one.echoes())
      }
      await untilSpread({ b: 3 })
      closeAll(held)
    },
  },
  {
    name: 'keep',
    title: 'on_marked_down: keep leaves them',
    about: ['on_marked_down'],
    servers: ['a', 'b'],
    keys: () => ({ on_marked_down: 'keep' }),
    see: async (t, { holdEach, server, untilSpread }) => {
      const held = await holdEach({ a: 1, b: 1 })
      server('a').says(died)
      await untilSpread({ b: 3 })
      for (const one of held) t.ok(await one.echoes())
      closeAll(held)
    },
  },
  {
    name: 'grace',
    title: 'shutdown_grace: sessions go on for so long, and then end',
    about: ['shutdown_grace'],
    servers: ['a', 'b'],
    keys: () => ({ shutdown_grace: '6s' }),
    see: async (t, { holdEach, server, untilSpread }) => {
      const held = await holdEach({ a: 1, b: 1 })
      server('a').says(died)
      await untilSpread({ b: 3 })
      for (const one of held) t.ok(await one.echoes())
      t.equal(await byServer(held, 'a').ended, 'reset')
      t.ok(await byServer(held, 'b').echoes())
      closeAll(held)
    },
  },
  {
    name: 'grace-in-time',
    title: 'shutdown_grace: a server that is back in time keeps its sessions',
    about: ['shutdown_grace'],
    servers: ['a', 'b'],
    keys: () => ({ shutdown_grace: '8s' }),
    see: async (t, { holdEach, server, untilSpread, untilStatus }) => {
      const held = await holdEach({ a: 1, b: 1 })
      server('a').says(died)
      await untilStatus('a', 'DOWN')
      const down = performance.now()
      server('a').says({ passes: true })
      await untilSpread({ a: 2, b: 2 })
      await waitFor('the grace to be over', () => performance.now() > down + 9000)
      for (const one of held) t.ok(await one.echoes())
      closeAll(held)
    },
  },
  {
    name: 'death',
    title: 'a server process dies: its clients find it, nobody who comes then fails, and it is marked down',
    about: ['redispatch true', 'observe'],
    servers: ['a', 'b'],
    keys: (can) => ({
      check: {
        type: 'tcp',
        interval: can('observe') === 'no' ? '300ms' : '10m',
        fast_interval: '300ms',
        down_interval: '300ms',
        timeout: '1s',
        rise: 1,
        fall: 1,
      },
    }),
    see: async (t, { can, holdEach, server, open, untilStatus, showServer, untilSpread }) => {
      const held = await holdEach({ a: 1, b: 1 })
      server('a').die()
      const clients = await Promise.all(Array.from({ length: 10 }, () => open()))
      t.same(serversOf(clients), { b: 10 })
      await untilStatus('a', 'DOWN')
      if (can('observe') !== 'no') t.equal((await showServer('a')).found?.by, 'session')
      t.equal(await byServer(held, 'a').ended, 'reset')
      t.ok(await byServer(held, 'b').echoes())
      await server('a').start()
      await untilSpread({ a: 2, b: 2 })
      closeAll([...held, ...clients])
    },
  },
  {
    name: 'mute',
    title: 'timeouts.connect: a client that gets no answer from a server gets another one',
    about: ['timeouts.connect', 'redispatch true'],
    servers: ['a', 'b'],
    keys: () => ({ timeouts: { connect: '300ms' }, observe: { enabled: false } }),
    see: async (t, { can, server, open, showServer }) => {
      await server('a').mute(true)
      const asked = Promise.all(Array.from({ length: 12 }, () => open()))
      if (can('redispatch', 'true') === 'yes') {
        t.same(serversOf(await asked), { b: 12 })
        t.equal((await showServer('a')).status, 'UP')
      } else {
        const early = await Promise.race([asked, new Promise((resolve) => setTimeout(resolve, 500, 'some wait'))])
        t.equal(early, 'some wait')
        server('a').says(died)
        t.same(serversOf(await asked), { b: 12 })
      }
      closeAll(await asked)
    },
  },
  {
    name: 'power-cut',
    title: 'the host of a server has no power: who waits for an answer is told when the server is marked down',
    about: ['on_marked_down'],
    servers: ['a', 'b'],
    see: async (t, { holdEach, server, untilSpread }) => {
      const held = await holdEach({ a: 3, b: 3 })
      await server('a').cutOff(true)
      for (const one of held) one.say('a question')
      for (const one of held) {
        if (one.server === 'a') t.equal(await one.ended, 'reset')
        else await waitFor('the answer', () => one.heard().toString('latin1') === 'a question')
      }
      await untilSpread({ b: 3 })
      closeAll(held)
    },
  },
  {
    name: 'nobody',
    title: 'no server is up: clients are turned away, and served when one is back',
    about: ['check'],
    servers: ['a', 'b'],
    keys: shortQueue,
    see: async (t, { server, untilSpread, show }) => {
      for (const name of ['a', 'b']) server(name).says(died)
      await untilSpread({ '-': 2 })
      t.ok(
        (await show()).binds.every(({ open }) => open),
        'the address is served all the same',
      )
      server('b').says({ passes: true })
      await untilSpread({ b: 2 })
    },
  },
]
