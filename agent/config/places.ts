// Names that the shipped units give to things: the file of each agent, its password, its unit.

import { basename, dirname, join } from 'node:path'

/** Where agent.yaml stands unless `--config` says otherwise. */
export const defaultConfigPath = '/etc/mysqlchk-agent/agent.yaml'

/** The credential that the shipped units hand over. */
export const unitCredential = 'password'

/** Further agents of this host are told apart by it. */
export const instanceOf = (config: string): string => basename(config).replace(/\.ya?ml$/, '')
const isOrdinary = (config: string): boolean => instanceOf(config) === instanceOf(defaultConfigPath)

/** The file that the shipped units make it of: `password` beside agent.yaml, `3307.password` beside 3307.yaml. */
export const unitPasswordFile = (config: string): string =>
  join(dirname(config), isOrdinary(config) ? 'password' : `${instanceOf(config)}.password`)

/** The unit that runs with a configuration; null for one that no shipped unit has. */
export const unitOf = (config: string): string | null => {
  if (dirname(config) !== dirname(defaultConfigPath) || !config.endsWith('.yaml')) return null
  return isOrdinary(config) ? 'mysqlchk-agent.service' : `mysqlchk-agent@${instanceOf(config)}.service`
}

/** The unit that prepares this host for direct return as a configuration says; null for one that no shipped unit has. */
export const directReturnUnitOf = (config: string): string | null =>
  unitOf(config)
    ?.replace('mysqlchk-agent', 'mysqlchk-agent-direct-return')
    .replace(/\.service$/, '') ?? null

/** What an operator runs to set a check user up. */
export const setUpCommand = (config: string): string =>
  `mysqlchk-agent setup-user --apply${config === defaultConfigPath ? '' : ` --config ${config}`}`
