import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { ownAnswersWarnings } from '../../../balancer/commands/own-answers-check.ts'
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

const kernel = balancerSchema.parse({ ...written, listeners: [{ ...written.listeners[0], datapath: 'kernel' }] })

t.test('without a running balancer there is nothing to tell', async (t) => {
  t.same(await peersWarnings(config, file), [])
  t.same(await ownAnswersWarnings(kernel, file), [])
  await untilListening()
})

let answer = ''
const asked: string[] = []
const server = createServer({ allowHalfOpen: true }, (client) => {
  client.on('data', (data) => asked.push(String(data)))
  client.on('end', () => client.end(`${answer}\n\n`))
})
const untilListening = (): Promise<void> => new Promise((resolve) => server.listen(socket, resolve))
t.teardown(() => server.close())

t.test('what the running one knows of the others is told', async (t) => {
  const known = {
    trouble: null,
    peers: [
      { address: '198.18.0.2:9224', name: 'lb2', why: null, warnings: ['listener mysql: only here: db2'] },
      { address: '198.18.0.3:9224', name: null, why: 'the keys differ', warnings: [] },
    ],
  }
  answer = JSON.stringify(known)
  t.same(await peersWarnings(config, file), [
    'peer lb2: listener mysql: only here: db2',
    'peer 198.18.0.3:9224 is not connected: the keys differ',
  ])
  t.same(asked, ['show peers --json\n'])
  answer = 'null'
  t.same(await peersWarnings(config, file), [])
})

t.test('servers of which it knows that they have the address are told of before a reload and after it', async (t) => {
  const running = (datapath: string, findings: readonly object[]) => {
    const servers = [{ name: 'db1', address: '198.18.0.11:3306', up: true }]
    answer = JSON.stringify([{ name: 'mysql', datapath, binds: [{ address: '198.18.0.100:3306' }], servers, findings }])
  }
  const findings = [
    { server: 'db1', text: 'has it' },
    { server: null, text: 'of the listener' },
  ]
  running('direct', findings)
  t.match(await ownAnswersWarnings(kernel, file), [/^listener mysql: each of db1 has 198\.18\.0\.100 itself/])
  running('kernel', findings)
  t.same(await ownAnswersWarnings(kernel, file), ['mysql/db1 has it'])
  answer = '{}'
  t.same(await ownAnswersWarnings(kernel, file), [])
  asked.length = 0
  t.same(await ownAnswersWarnings(config, file), [])
  t.same(asked, [], 'nobody is asked where no listener has datapath: kernel')
})
