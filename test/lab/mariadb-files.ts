// The files of a lab's MariaDB servers: one template data directory per lab, copied per server, and the option file.

import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { mustRun } from './command.ts'
import type { Lab } from './lab.ts'
import { boundToOwner } from './lab-process.ts'

/** The account that owns data directories; the rsync of Galera fails as root. */
export const serverUser = 'mysql'

/** The user of the health checks: may log in from its own host and nothing else. */
export const checkUser = { user: 'mysqlchkusr', password: 'lab-check-password' }

/** The application: all rights on database `app`, from the lab's network and from its own host. */
export const appUser = { user: 'app', password: 'lab-app-password', database: 'app' }

// Small and careless: a lab's data is thrown away.
const frugal: Readonly<Record<string, string>> = {
  innodb_buffer_pool_size: '16M',
  innodb_log_file_size: '8M',
  innodb_flush_log_at_trx_commit: '0',
  innodb_doublewrite: 'OFF',
  innodb_use_native_aio: 'OFF',
  innodb_stats_persistent: 'OFF',
  key_buffer_size: '1M',
  aria_pagecache_buffer_size: '1M',
  performance_schema: 'OFF',
  max_connections: '1000',
  max_connect_errors: '1000000000',
  thread_cache_size: '32',
  skip_name_resolve: 'ON',
}

const accounts = [
  'FLUSH PRIVILEGES;',
  `CREATE DATABASE ${appUser.database};`,
  ...['localhost', '127.0.0.1'].map(
    (from) => `CREATE USER '${checkUser.user}'@'${from}' IDENTIFIED BY '${checkUser.password}';`,
  ),
  ...['localhost', '127.0.0.1', '198.18.0.0/255.255.255.0'].map(
    (from) => `GRANT ALL ON ${appUser.database}.* TO '${appUser.user}'@'${from}' IDENTIFIED BY '${appUser.password}';`,
  ),
]

/**
 * Writes an option file with one section `[mariadbd]`. A server that starts clears temporary tables of all others from its
 * tmpdir, so each has its own: the file's directory.
 */
export const writeOptions = (file: string, settings: Readonly<Record<string, string>>): void => {
  const lines = Object.entries({ tmpdir: dirname(file), ...frugal, ...settings }).map(
    ([name, value]) => `${name} = ${value}`,
  )
  writeFileSync(file, ['[mariadbd]', ...lines, ''].join('\n'))
}

const makeTemplate = async (lab: Lab): Promise<string> => {
  const directory = join(lab.directory, 'mariadb-template')
  const data = join(directory, 'data')
  const optionFile = join(directory, 'install.cnf')
  const accountFile = join(directory, 'accounts.sql')
  mkdirSync(data, { recursive: true })
  writeOptions(optionFile, {})
  writeFileSync(accountFile, `${accounts.join('\n')}\n`)
  await mustRun('chown', ['-R', `${serverUser}:${serverUser}`, directory])
  const install = [
    `--defaults-file=${optionFile}`,
    `--datadir=${data}`,
    '--auth-root-authentication-method=normal',
    '--skip-test-db',
    `--extra-file=${accountFile}`,
  ]
  const [command = '', ...args] = boundToOwner('mysql_install_db', install, serverUser)
  await mustRun(command, args)
  return data
}

const templates = new WeakMap<Lab, Promise<string>>()

/** Copies the data directory of a server that does not run to `to`, which must not exist; owners are kept. */
export const copyData = async (from: string, to: string): Promise<void> => {
  await mustRun('cp', ['--archive', '--reflink=auto', from, to])
}

/** Copies the lab's template data directory to `data`; the first call of a lab makes the template (3 s). */
export const copyTemplate = async (lab: Lab, data: string): Promise<void> => {
  const template = templates.get(lab) ?? makeTemplate(lab)
  templates.set(lab, template)
  await copyData(await template, data)
}
