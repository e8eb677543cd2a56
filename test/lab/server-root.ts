// Servers of other versions than the machine's own, from the root folders that `npm run test:servers` sets up.

import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { createConnection } from 'mysql2/promise'
import { type CommandResult, mustRun, run } from './command.ts'
import type { Host } from './host.ts'
import type { Lab } from './lab.ts'
import { boundToOwner, type LabProcess } from './lab-process.ts'
import { copyData } from './mariadb-files.ts'
import { labVariable } from './remains.ts'
import { waitFor } from './wait-for.ts'

/** The root folders there are. */
export type Product = 'mysql' | 'mariadb'

const cache = process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache')
const rootOf = (product: Product): string => {
  const root = join(cache, 'mysql-balancer', 'servers', product)
  if (!existsSync(root)) throw new Error(`${root} does not exist: npm run test:servers makes it`)
  return root
}

/** A server in its root folder. It can be stopped, killed and started again with the same data. */
export type RootedServer = {
  readonly name: string
  readonly socket: string
  readonly port: number
  readonly process: () => LabProcess
  /** Runs statements as root over the socket, in a connection of their own; returns the rows of the last one. */
  readonly query: (...statements: readonly string[]) => Promise<readonly Readonly<Record<string, unknown>>[]>
  readonly stop: () => Promise<void>
  readonly kill9: () => Promise<void>
  /** `more` are options of this run alone; of two alike the later one counts. */
  readonly start: (more?: Readonly<Record<string, string>>) => Promise<void>
}

/** `settings` are options of the command line, by name. On a host it listens there, else on 127.0.0.1. */
export type RootedServerOptions = {
  readonly lab: Lab
  readonly product: Product
  readonly name: string
  readonly host?: Host
  readonly port: number
  readonly settings?: Readonly<Record<string, string>>
}

// Mounts of a namespace of its own, which go with the process. The lab's directory is where it is outside.
const enter = `root=$0 directory=$1; shift
mount --rbind /dev "$root/dev" && mount -t proc proc "$root/proc" && mount -t tmpfs tmpfs "$root/tmp" || exit
mkdir -p "$root$directory" && mount --bind "$directory" "$root$directory" || exit
exec chroot "$root" "$@"`

/** A command in a root folder that sees the lab's directory. Exec only, no fork. */
const inside = (lab: Lab, product: Product, command: readonly string[]): readonly [string, readonly string[]] => [
  'unshare',
  ['--mount', '--propagation', 'private', 'sh', '-c', enter, rootOf(product), lab.directory, ...command],
]

/** Runs a program of a root folder to its end, which is that of its owner or of the lab at the latest. */
export const runInside = (
  lab: Lab,
  product: Product,
  command: readonly string[],
  input = '',
): Promise<CommandResult> => {
  const [program, args] = inside(lab, product, command)
  const [bound = '', ...words] = boundToOwner(program, args)
  return run(bound, words, { input, env: { [labVariable]: lab.id } })
}

/** Small and careless: a lab's data is thrown away. */
const frugal: Readonly<Record<Product, Readonly<Record<string, string>>>> = {
  mysql: {
    mysqlx: 'OFF',
    'innodb-redo-log-capacity': '16M',
    'innodb-buffer-pool-size': '64M',
    'innodb-flush-log-at-trx-commit': '0',
    'sync-binlog': '0',
    'innodb-doublewrite': 'OFF',
    'innodb-use-native-aio': 'OFF',
    'plugin-dir': '/usr/lib/mysql/plugin',
    'secure-file-priv': '',
    'skip-name-resolve': 'ON',
  },
  mariadb: {
    'innodb-buffer-pool-size': '16M',
    'innodb-log-file-size': '8M',
    'innodb-flush-log-at-trx-commit': '0',
    'innodb-doublewrite': 'OFF',
    'innodb-use-native-aio': 'OFF',
    'plugin-dir': '/usr/lib/mysql/plugin',
    'skip-name-resolve': 'ON',
  },
}
const programs: Readonly<Record<Product, string>> = { mysql: '/usr/sbin/mysqld', mariadb: '/usr/sbin/mariadbd' }

const common = (product: Product, data: string): readonly string[] => [
  programs[product],
  '--no-defaults',
  '--user=root',
  `--datadir=${data}`,
  ...optionWords(frugal[product]),
]

/** What mariadb-install-db feeds to the server; the script itself needs a shell, which the root folder has not. */
const systemTables = (): string => {
  const files = ['system_tables', 'performance_tables', 'system_tables_data', 'sys_schema']
  const texts = files.map((name) =>
    readFileSync(join(rootOf('mariadb'), `usr/share/mariadb/mariadb_${name}.sql`), 'utf8'),
  )
  return ['CREATE DATABASE mysql;', 'USE mysql;', 'SET @auth_root_socket=NULL;', ...texts].join('\n')
}

const makeTemplate = async (lab: Lab, product: Product): Promise<string> => {
  // The lab's servers of the machine's own version have a template beside it.
  const data = join(lab.directory, `rooted-${product}-template`)
  if (product === 'mariadb') mkdirSync(data)
  const how = product === 'mysql' ? ['--initialize-insecure'] : ['--bootstrap', '--skip-grant-tables']
  const sql = product === 'mysql' ? '' : systemTables()
  const { code, stdout, stderr } = await runInside(lab, product, [...common(product, data), ...how], sql)
  if (code !== 0) throw new Error(`${product} made no data directory (${code}): ${(stdout + stderr).slice(-2000)}`)
  // Each copy is a server of its own.
  rmSync(join(data, 'auto.cnf'), { force: true })
  return data
}

const templates = new WeakMap<Lab, Map<Product, Promise<string>>>()

const templateOf = (lab: Lab, product: Product): Promise<string> => {
  const made = templates.get(lab) ?? new Map<Product, Promise<string>>()
  templates.set(lab, made)
  const template = made.get(product) ?? makeTemplate(lab, product)
  made.set(product, template)
  return template
}

/** Runs statements as root over a socket, in one connection of their own; returns the rows of the last one. */
export const queryAsRoot = async (
  socket: string,
  statements: readonly string[],
): Promise<readonly Readonly<Record<string, unknown>>[]> => {
  const connection = await createConnection({ socketPath: socket, user: 'root', connectTimeout: 5000 })
  try {
    let last: unknown = []
    for (const statement of statements) [last] = await connection.query(statement)
    return Array.isArray(last) ? last.map((row) => ({ ...row })) : []
  } finally {
    connection.destroy()
  }
}

const stopGrace = 30_000

const optionWords = (settings: Readonly<Record<string, string>>): readonly string[] =>
  Object.entries(settings).map(([option, value]) => `--${option}=${value}`)

/** Makes a server's files, starts it and waits until it answers. The lab's first one of a product takes some seconds more. */
export const startRooted = async (options: RootedServerOptions): Promise<RootedServer> => {
  const { lab, product, name, host, port, settings = {} } = options
  const directory = join(lab.directory, name)
  const data = join(directory, 'data')
  const socket = join(directory, 'mysqld.sock')
  mkdirSync(directory)
  await copyData(await templateOf(lab, product), data)

  const words = [
    ...common(product, data),
    `--socket=${socket}`,
    `--pid-file=${join(directory, 'mysqld.pid')}`,
    `--tmpdir=${directory}`,
    `--port=${port}`,
    `--bind-address=${host === undefined ? '127.0.0.1' : '0.0.0.0'}`,
    ...optionWords(settings),
  ]
  const launch = (more: Readonly<Record<string, string>> = {}): LabProcess => {
    const [command, args] = inside(lab, product, [...words, ...optionWords(more)])
    return host === undefined ? lab.spawn(name, command, args) : host.spawn(product, command, args)
  }
  let current = launch()

  const query: RootedServer['query'] = (...statements) => queryAsRoot(socket, statements)
  const waitReady = async (): Promise<void> => {
    const server = current
    const look = async (): Promise<boolean> => !server.isRunning() || (await query('SELECT 1')).length === 1
    await waitFor(`${product} ${name} to be ready`, look)
    if (!server.isRunning()) throw new Error(`${product} ${name} ended:\n${server.lines().slice(-20).join('\n')}`)
  }
  await waitReady()

  return {
    name,
    socket,
    port,
    process: () => current,
    query,
    stop: async () => {
      await current.stop(stopGrace)
    },
    kill9: async () => {
      await current.kill()
    },
    start: async (more) => {
      current = launch(more)
      await waitReady()
    },
  }
}

/**
 * Makes an authority, a certificate of it for servers named `db.test` at 127.0.0.1, and one for clients. Returns the
 * directory `name` of the lab with ca.crt, server.crt, server.key, client.crt and client.key.
 */
export const makeCertificates = async (lab: Lab, name = 'certificates'): Promise<string> => {
  const directory = join(lab.directory, name)
  mkdirSync(directory)
  const file = (entry: string): string => join(directory, entry)
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2']
  const authority = ['-subj', '/CN=Lab authority', '-keyout', file('ca.key'), '-out', file('ca.crt')]
  await mustRun('openssl', ['req', '-x509', ...key, ...authority])
  writeFileSync(file('names'), 'subjectAltName=DNS:db.test,IP:127.0.0.1\n')
  for (const side of ['server', 'client']) {
    const request = ['-subj', `/CN=${side}`, '-keyout', file(`${side}.key`), '-out', file(`${side}.csr`)]
    await mustRun('openssl', ['req', ...key, ...request])
    const signed = ['-CA', file('ca.crt'), '-CAkey', file('ca.key'), '-CAcreateserial', '-days', '2']
    const files = ['-in', file(`${side}.csr`), '-out', file(`${side}.crt`), '-extfile', file('names')]
    await mustRun('openssl', ['x509', '-req', ...signed, ...files])
  }
  // A lab's key, for servers that run as any user.
  chmodSync(file('server.key'), 0o644)
  return directory
}
