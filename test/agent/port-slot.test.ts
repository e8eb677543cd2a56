// A port that another program has: waited for at a start, left alone by a reload to another one, and never opened after a stop.

import { once } from 'node:events'
import { createServer } from 'node:net'
import t from 'tap'
import { openSlot, type Waiting } from '../../agent/port-slot.ts'
import { listenOn } from '../../agent/server/listening.ts'
import { freePort } from '../lab/mariadb.ts'
import { waitFor } from '../lab/wait-for.ts'

t.setTimeout(90_000)

type Config = { readonly port: number; readonly access: string }

const kind = {
  open: async ({ port, access }: Config) => {
    const server = createServer()
    await listenOn(server, { address: '127.0.0.1', port }, () => undefined)
    return { access, stop: async () => void server.close() }
  },
  isSame: (one: Config, other: Config) => one.port === other.port,
  portOf: ({ port }: Config) => port,
  explain: (error: unknown, { port }: Config) => new Error(`${port}: ${String(error)}`),
}
const heardBy = (said: (string | null)[]): Waiting => ({
  isWorthIt: (error) => error instanceof Error && 'code' in error && error.code === 'EADDRINUSE',
  onChange: (why) => void said.push(why === null ? null : why.message),
})
/** Another program on a port, and how it leaves. */
const occupy = async (port: number): Promise<() => Promise<unknown>> => {
  const server = createServer().listen(port, '127.0.0.1')
  await once(server, 'listening')
  return () => once(server.close(), 'close')
}

t.test(
  'it is opened when it is free, as the newest configuration wants it, and that is told twice in all',
  async (t) => {
    const port = await freePort()
    const leave = await occupy(port)
    const said: (string | null)[] = []
    const slot = await openSlot({ port, access: 'old' }, kind, heardBy(said))
    t.equal(slot.server(), null)
    const move = await slot.prepare({ port, access: 'old' }, { port, access: 'new' })
    move.commit()
    await leave()
    const server = await waitFor('the port', () => slot.server())
    t.equal(server?.access, 'new')
    t.match(said, [new RegExp(`^${port}: .*EADDRINUSE`), null])
    t.equal(said.length, 2)
    await slot.stop()
  },
)

t.test('a reload to a port that is free ends the waiting; one to a port that is taken changes nothing', async (t) => {
  const [taken, alsoTaken, free] = [await freePort(), await freePort(), await freePort()]
  const leave = [await occupy(taken), await occupy(alsoTaken)]
  const said: (string | null)[] = []
  const from = { port: taken, access: '' }
  const slot = await openSlot(from, kind, heardBy(said))
  await t.rejects(slot.prepare(from, { port: alsoTaken, access: '' }), { message: /EADDRINUSE/ })
  t.equal(said.length, 1, 'it waits on')
  const move = await slot.prepare(from, { port: free, access: '' })
  move.commit()
  t.same([slot.server() === null, said.at(-1)], [false, null])
  for (const one of leave) await one()
  await slot.stop()
  t.ok(await occupy(taken).then((end) => end()), 'nobody opened the old one')
})

t.test('a stop ends the waiting; what is not worth it, or where nobody waits, is a failed start', async (t) => {
  const port = await freePort()
  const leave = await occupy(port)
  const slot = await openSlot({ port, access: '' }, kind, heardBy([]))
  await slot.stop()
  await t.rejects(openSlot({ port, access: '' }, kind, null), { message: /EADDRINUSE/ })
  await t.rejects(openSlot({ port, access: '' }, kind, { ...heardBy([]), isWorthIt: () => false }), {
    message: /^\d+: /,
  })
  await leave()
  t.equal(slot.server(), null)
})
