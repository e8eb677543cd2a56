// Sessions that end are over for both sides, in every state that a session can be in; others do not notice.

import t from 'tap'
import type { Endpoint } from '../../../../balancer/core/endpoint.ts'
import { waitFor } from '../../../lab/wait-for.ts'
import {
  movedPort,
  numbers,
  openEndingsLab,
  plainPort,
  type ServerName,
  type Sessions,
  virtual,
} from './endings-lab.ts'
import type { Kind, SessionTold } from './sessions-process.ts'

t.setTimeout(300_000)
const lab = await openEndingsLab()
t.teardown(() => lab.lab.destroy())
const kinds: readonly Kind[] = ['idle', 'wait', 'stream', 'echo']
const stop = new Map<string, () => Promise<unknown>>()
for (const name of ['db1', 'db2'] as const) {
  for (const port of [plainPort, movedPort]) {
    const server = await lab.serve(name, port)
    stop.set(`${name} ${port}`, () => server.kill())
  }
}
const [client, walled, inner] = await Promise.all(['client', 'walled', 'inner'].map((name) => lab.sessions(name)))
if (client === undefined || walled === undefined || inner === undefined) throw new Error('no clients')
const bind = { address: virtual.ipv4, port: plainPort }

const on = (told: readonly SessionTold[], server: string) => told.filter((one) => one.server === server)
const alive = (told: readonly SessionTold[]) => told.filter(({ error }) => error === null)
const all = { client: null, ago: null, waits: true } as const
const endServer = (at: Endpoint, name: ServerName) =>
  lab.endings({ do: 'end', bind: at, server: numbers[name], ...all })
const gone = (sessions: Sessions, server: string) =>
  waitFor(`no session of ${server} to be left`, async () => alive(on(await sessions.look(), server)).length === 0)
/** How long after `begun` the last one of these was over, for whoever reads along. */
const slowest = (told: readonly SessionTold[], begun: number): string =>
  `${told.length} sessions over within ${Math.max(...told.map(({ endedAt }) => (endedAt ?? Number.NaN) - begun))} ms`
const fresh = async (): Promise<void> => {
  for (const sessions of [client, walled, inner]) await sessions.letGo()
  await lab.direct(['db1', 'db2'])
}

t.test('a demoted server: clients in every state, behind firewalls too, and the server itself hear it', async (t) => {
  const elsewhere = await lab.sessions('client')
  await elsewhere.open({ kind: 'wait', count: 2, address: lab.host('db1').address, port: plainPort })
  for (const kind of kinds) {
    for (const { address, port } of lab.binds) {
      await client.open({ kind, count: 4, address, port })
      await walled.open({ kind, count: 4, address, port })
      if (!address.includes(':')) await inner.open({ kind, count: 4, address, port })
    }
  }
  await lab.direct(['db2'])
  const begun = Date.now()
  for (const one of lab.binds) t.equal((await endServer(one, 'db1')).trouble, null)
  for (const sessions of [client, walled, inner]) {
    await gone(sessions, 'db1')
    const told = await sessions.look()
    t.comment(slowest(on(told, 'db1'), begun))
    for (const kind of kinds)
      t.ok(
        on(told, 'db1').some((one) => one.kind === kind),
        `${kind} was among them`,
      )
    t.same(
      on(told, 'db2').filter(({ error }) => error !== null),
      [],
      'those of others stay',
    )
  }
  const [one, other] = [lab.host('db1').address, lab.host('client').address]
  await waitFor('db1 to have the others alone', async () =>
    (await lab.atServer('db1')).every((line) => line.includes(`${one}]:`) && line.includes(`${other}]:`)),
  )
  t.equal(alive(await elsewhere.look()).length, 2, 'who came without the balancer stays')
  await elsewhere.letGo()
  const again = await client.open({ kind: 'wait', count: 1, ...bind })
  t.equal(again.at(-1)?.server, 'db2')
  await fresh()
})
