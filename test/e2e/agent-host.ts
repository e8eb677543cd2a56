// A database host under a real systemd, with MariaDB and a checkout: what the tests of the agent's units begin with.

import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createLab } from '../lab/lab.ts'
import { startMariaDb } from '../lab/mariadb.ts'
import { bootSystemd } from '../lab/systemd.ts'

/** Where the checkout is on that host. */
export const checkoutInside = '/opt/mysql-balancer'
export const checkout = fileURLToPath(new URL('../../..', import.meta.url))
export const unit = 'mysqlchk-agent.service'

/** Boots it in a lab of its own, which the caller destroys. */
export const bootAgentHost = async (name: string) => {
  const lab = await createLab({ name })
  const host = await lab.addHost('db1', '198.18.0.11/24')
  const server = await startMariaDb({ lab, host, name: 'db1' })
  const directories = { [checkoutInside]: checkout, '/run/mysqld': dirname(server.socket) }
  const db1 = await bootSystemd({ lab, host, directories })
  const journal = async (of = unit): Promise<string> => {
    // What was said before this call may not have been written yet.
    await db1.mustRun('journalctl', ['--sync'])
    return db1.mustRun('journalctl', ['--no-pager', '--output=cat', `--unit=${of}`])
  }
  /** Throws with the journal where systemctl did not succeed. */
  const systemctl = async (...words: readonly string[]): Promise<void> => {
    const { code, stderr } = await db1.run('systemctl', words)
    if (code !== 0) throw new Error(`systemctl ${words.join(' ')} ended with ${code}: ${stderr}\n${await journal()}`)
  }
  return { lab, host, server, db1, journal, systemctl }
}
