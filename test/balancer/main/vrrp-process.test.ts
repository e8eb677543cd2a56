import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { balancerSchema } from '../../../balancer/config/schema.ts'
import { millis } from '../../../balancer/core/time.ts'
import type { Fact } from '../../../balancer/pool/core/facts.ts'
import type { ToChild } from '../../../balancer/supervisor/messages.ts'
import { version } from '../../../balancer/version.ts'
import { waitFor } from '../../lab/wait-for.ts'
import { directory, linesOf, program } from '../notify/stage.ts'
import { failedCheck, healthFact } from '../pool/health-fact.ts'

t.setTimeout(600_000)
const entry = fileURLToPath(new URL('../../../balancer/main/vrrp.js', import.meta.url))

const config = (out: string) =>
  balancerSchema.parse({
    router_id: 'lb1',
    // Its interface is not there: no instance ever speaks.
    vrrp: {
      instances: [{ name: 'V', interface: 'eth0', virtual_router_id: 1, virtual_addresses: ['198.18.0.100/24'] }],
    },
    listeners: [
      {
        name: 'mysql',
        bind: '198.18.0.100:3306',
        servers: ['db1', 'db2'].map((name, i) => ({ name, address: `198.18.0.${11 + i}:3306` })),
      },
    ],
    notify: { server: program('tell', `echo "$BALANCER_NAME $BALANCER_STATE" >> ${out}`) },
  })
const downAt = (name: string): Fact => healthFact(name, { up: false, lastCheck: failedCheck() })

/** What is told where `facts` were there before the start, and db1 and db2 are found down right behind it. */
const toldBy = async (t: Test, facts: readonly Fact[]): Promise<readonly string[]> => {
  const out = join(directory, `told-${facts.length}`)
  const child = spawn('unshare', ['--net', '--', process.execPath, entry], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  const send = (message: ToChild) => child.send(message)
  send({ type: 'configure', version, config: config(out), resume: [], succeeds: false, facts })
  for (const name of ['db1', 'db2']) send({ type: 'fact', fact: downAt(name) })
  await waitFor('the other one to be told', () => linesOf(out).includes('mysql/db2 DOWN'))
  send({ type: 'stop' })
  t.same(await once(child, 'exit'), [0, null])
  return linesOf(out)
}

t.test('a change of a server while the virtual routers are prepared is told, and one that came before', async (t) => {
  t.same(await toldBy(t, [downAt('db1')]), ['mysql/db1 DOWN', 'mysql/db2 DOWN'])
})

t.test('what the predecessor of the process has told is not told again', async (t) => {
  const predecessor = { fact: 'process', process: 'vrrp', running: false, at: millis(1) } as const
  t.same(await toldBy(t, [predecessor, downAt('db1')]), ['mysql/db2 DOWN'])
})
