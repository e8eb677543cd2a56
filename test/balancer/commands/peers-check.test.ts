import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { peersWarnings } from '../../../balancer/commands/peers-check.ts'
import { balancerSchema } from '../../../balancer/config/schema.ts'

const directory = mkdtempSync(join(tmpdir(), 'balancer-peers-check-'))
t.teardown(() => rmSync(directory, { recursive: true }))
const socket = join(directory, 'socket')
const file = join(directory, 'balancer.yaml')
const written = {
  router_id: 'lb1',
  listeners: [{ name: 'mysql', bind: '198.18.0.100:3306', servers: [{ name: 'db1', address: '198.18.0.11:3306' }] }],
  peers: { key_file: '/none', listen: '198.18.0.1:9224', to: ['198.18.0.2:9224'] },
  admin: { socket },
}
writeFileSync(file, JSON.stringify(written))
const config = balancerSchema.parse(written)

t.test('without a running balancer there is nothing to tell', async (t) => {
  t.same(await peersWarnings(config, file), [])
})

t.test('what the running one knows of the others is told', async (t) => {
  const known = {
    trouble: null,
    peers: [
      { address: '198.18.0.2:9224', name: 'lb2', why: null, warnings: ['listener mysql: only here: db2'] },
      { address: '198.18.0.3:9224', name: null, why: 'the keys differ', warnings: [] },
    ],
  }
  let answer = JSON.stringify(known)
  const asked: string[] = []
  const server = createServer({ allowHalfOpen: true }, (client) => {
    client.on('data', (data) => asked.push(String(data)))
    client.on('end', () => client.end(`${answer}\n\n`))
  })
  await new Promise<void>((resolve) => server.listen(socket, resolve))
  t.teardown(() => server.close())
  t.same(await peersWarnings(config, file), [
    'peer lb2: listener mysql: only here: db2',
    'peer 198.18.0.3:9224 is not connected: the keys differ',
  ])
  t.same(asked, ['show peers --json\n'])
  answer = 'null'
  t.same(await peersWarnings(config, file), [])
})
