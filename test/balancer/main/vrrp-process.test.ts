import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { balancerSchema } from '../../../balancer/config/schema.ts'
import type { ToChild } from '../../../balancer/supervisor/messages.ts'
import { version } from '../../../balancer/version.ts'
import { waitFor } from '../../lab/wait-for.ts'
import { directory, linesOf, program } from '../notify/stage.ts'
import { failedCheck, healthFact } from '../pool/health-fact.ts'

t.setTimeout(600_000)
const entry = fileURLToPath(new URL('../../../balancer/main/vrrp.js', import.meta.url))

t.test(
  'a change of a server while the virtual routers are prepared is told; one from before the start is not',
  async (t) => {
    const out = join(directory, 'told')
    const config = balancerSchema.parse({
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
    const child = spawn('unshare', ['--net', '--', process.execPath, entry], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    })
    t.teardown(() => child.kill('SIGKILL'))
    const send = (message: ToChild) => child.send(message)
    const downAt = (name: string) => healthFact(name, { up: false, lastCheck: failedCheck() })
    const beginning = { type: 'configure', version, config, resume: [], succeeds: false } as const
    send({ ...beginning, facts: [downAt('db1')] })
    for (const name of ['db1', 'db2']) send({ type: 'fact', fact: downAt(name) })
    await waitFor('the other one to be told', () => linesOf(out).length > 0)
    send({ type: 'stop' })
    t.same(await once(child, 'exit'), [0, null])
    t.same(linesOf(out), ['mysql/db2 DOWN'])
  },
)
