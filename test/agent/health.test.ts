// Who is to blame: a database that hangs, or an agent that gets no processor time.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { loadConfig } from '../../agent/config/load.ts'
import { startHealth } from '../../agent/health.ts'
import { createLab } from '../lab/lab.ts'
import { startMariaDb } from '../lab/mariadb.ts'
import { checkUser } from '../lab/mariadb-files.ts'
import { waitFor } from '../lab/wait-for.ts'

t.setTimeout(600_000)
const lab = await createLab({ name: 'agent-health' })
t.teardown(lab.destroy)
const db = await startMariaDb({ lab, name: 'db1' })

t.test('an agent whose own loop stalls says that it is late, and not that the database hangs', async (t) => {
  const path = join(lab.directory, 'agent.yaml')
  writeFileSync(
    path,
    `mysql: { socket: ${db.socket}, client_address: none, user: ${checkUser.user}, password: ${checkUser.password} }
check: { timeout: 300ms, interval: 200ms, max_age: 0ms }
force_fail_file: ${join(lab.directory, 'proxyoff')}
`,
    { mode: 0o600 },
  )
  const loaded = loadConfig(path, 'read')
  if (!loaded.ok) throw new Error(loaded.problems.join('\n'))
  const reasons: string[] = []
  const health = startHealth(loaded.config, {
    onReport: ({ reason }) => reasons.push(reason.code),
    onProbe: () => undefined,
  })
  await waitFor('a good probe', async () => (await health.report()).reason.code === 'ok')

  db.process().signal('SIGSTOP')
  reasons.length = 0
  const stalling = setInterval(() => {
    const until = performance.now() + 400
    while (performance.now() < until) {
      // Busy on purpose: nothing else may run.
    }
  }, 1)
  await waitFor('agent-late', async () => (await health.report()).reason.code === 'agent-late')
  clearInterval(stalling)
  const others = reasons.filter((reason) => reason !== 'ok' && reason !== 'agent-late')
  t.same(others, [], 'the last verdict or this one, and never a timeout')

  await waitFor('the database to be blamed', async () => (await health.report()).reason.code === 'timeout')
  db.process().signal('SIGCONT')
  await waitFor('a good probe', async () => (await health.report()).reason.code === 'ok')
  health.stop()
})
