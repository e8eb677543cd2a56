import t from 'tap'
import { movedPort, openEndingsLab, plainPort } from './endings-lab.ts'
import type { Kind } from './sessions-process.ts'

t.setTimeout(180_000)
const lab = await openEndingsLab()
t.teardown(() => lab.lab.destroy())
const kinds: readonly Kind[] = ['idle', 'wait', 'stream', 'echo']
const servers = new Map<string, Awaited<ReturnType<typeof lab.serve>>>()
for (const name of ['db1', 'db2'] as const) {
  for (const port of [plainPort, movedPort]) servers.set(`${name} ${port}`, await lab.serve(name, port))
}
const clients = { client: await lab.sessions('client'), walled: await lab.sessions('walled') }

t.test('demoted', async (t) => {
  for (const sessions of Object.values(clients)) {
    for (const kind of kinds) {
      for (const { address, port } of lab.binds) await sessions.open({ kind, count: 4, address, port })
    }
  }
  const before = (await clients.client.look()).filter(({ server }) => server === 'db1').length
  t.comment(before, (await lab.atServer('db1')).length)
  await lab.direct(['db2'])
  const at = Date.now()
  for (const bind of lab.binds)
    t.comment(await lab.endings({ do: 'end', bind, server: 1, client: null, ago: null, waits: true }))
  for (const [name, sessions] of Object.entries(clients)) {
    await new Promise((r) => setTimeout(r, 2500))
    const all = await sessions.look()
    for (const kind of kinds) {
      const those = all.filter((one) => one.kind === kind)
      const on1 = those.filter((one) => one.server === 'db1')
      t.comment(
        name,
        kind,
        'db1',
        on1.map(({ error, endedAt }) => `${error} ${endedAt === null ? '' : endedAt - at}`).join(', '),
      )
      t.equal(those.filter(({ server, error }) => server === 'db2' && error !== null).length, 0)
    }
  }
  t.comment('db1', await lab.atServer('db1'))
  t.comment((await lab.host('walled').run('nft', ['list', 'counters'])).stdout)
})
