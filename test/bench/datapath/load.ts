// Load on a contestant: sysbench in the client's host, and what it and the machine say about it.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { appUser } from '../../lab/mariadb-files.ts'
import { type Field, port } from './field.ts'
import { type LoadName, loads, readReport, type Sample } from './loads.ts'
import { busyMillis } from './machine-cpu.ts'

const rows = 10_000
/** sysbench ends by itself; one that hangs on a session is ended. */
const patienceSeconds = 20

const luaScripts = {
  connect: `function thread_init() drv = sysbench.sql.driver() end
function event()
  local con = drv:connect()
  con:query("SELECT 1")
  con:disconnect()
end
`,
  bulk: `function thread_init()
  drv = sysbench.sql.driver()
  con = drv:connect()
end
function event() con:query("SELECT REPEAT('x', 1048576)") end
function thread_done() con:disconnect() end
`,
}

const options = (addresses: readonly string[]): readonly string[] => [
  '--db-driver=mysql',
  `--mysql-host=${addresses.join(',')}`,
  `--mysql-port=${port}`,
  `--mysql-user=${appUser.user}`,
  `--mysql-password=${appUser.password}`,
  `--mysql-db=${appUser.database}`,
  '--mysql-ssl=off',
  `--table-size=${rows}`,
]

const scriptOf = (field: Field, name: keyof typeof luaScripts | 'select'): string =>
  name === 'select' ? 'oltp_point_select' : join(field.lab.directory, `${name}.lua`)

/** Writes the scripts and fills the servers. */
export const prepareLoads = async (field: Field): Promise<void> => {
  for (const [name, text] of Object.entries(luaScripts)) writeFileSync(join(field.lab.directory, `${name}.lua`), text)
  for (const { address, name } of field.databases) {
    const { code, stdout, stderr } = await field.client.run('sysbench', [
      'oltp_point_select',
      ...options([address]),
      'prepare',
    ])
    if (code !== 0) throw new Error(`sysbench could not fill ${name}: ${stdout}${stderr}`)
  }
}

/** Runs a load for some seconds; throws when sysbench saw an error. */
export const runLoad = async (
  field: Field,
  name: LoadName,
  addresses: readonly string[],
  seconds: number,
): Promise<Sample> => {
  const { script, sessions } = loads[name]
  const before = busyMillis()
  const { code, stdout, stderr } = await field.client.run('timeout', [
    ...['--kill-after=2', `${seconds + patienceSeconds}`, 'sysbench', scriptOf(field, script)],
    ...options(addresses),
    ...[`--threads=${sessions}`, `--time=${seconds}`, '--percentile=99', 'run'],
  ])
  const busy = busyMillis() - before
  if (code !== 0) throw new Error(`sysbench ended with ${code}: ${lastWords(`${stdout}\n${stderr}`)}`)
  return readReport(stdout, busy)
}

const lastWords = (text: string): string =>
  text
    .split('\n')
    .filter((line) => /FATAL|error/i.test(line))
    .slice(0, 2)
    .join(' ')
