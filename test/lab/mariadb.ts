// A MariaDB server of a lab: on a host, or on the machine itself behind a socket in the lab's directory.

import { randomInt } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { createConnection } from 'mysql2/promise'
import { mustRun } from './command.ts'
import { galeraSettings, isSynced } from './galera.ts'
import type { Host } from './host.ts'
import type { Lab } from './lab.ts'
import type { LabProcess } from './lab-process.ts'
import { copyData, copyTemplate, serverUser, writeOptions } from './mariadb-files.ts'
import { type Patience, waitFor } from './wait-for.ts'

/** One row of an answer, by column name. */
export type Row = Readonly<Record<string, unknown>>

/** The node's place in a Galera cluster: its own address and those of all nodes. */
export type GaleraMembership = { readonly address: string; readonly nodes: readonly string[] }

/**
 * What to start. On a host it listens on every address, port 3306 unless given. On the machine itself it listens on
 * 127.0.0.1 if a port is given, else on its socket alone. `settings` are lines of the option file.
 */
export type MariaDbOptions = {
  readonly lab: Lab
  readonly name: string
  readonly host?: Host
  readonly port?: number
  readonly galera?: GaleraMembership & { readonly bootstrap: boolean }
  /** Data directory of a stopped server to begin with a copy of, instead of the lab's empty one. */
  readonly dataFrom?: string
  readonly settings?: Readonly<Record<string, string>>
}

/** A server that can be stopped, killed and started again with the same data. */
export type MariaDb = {
  readonly name: string
  readonly socket: string
  readonly dataDirectory: string
  /** Where clients reach it; the port is 0 when it has only its socket. */
  readonly address: string
  readonly port: number
  /** The running process, or the last one. */
  readonly process: () => LabProcess
  readonly pid: () => number
  /** Runs one statement as root over the socket, in a connection of its own. */
  readonly query: (sql: string) => Promise<readonly Row[]>
  /** Waits until it answers queries; in a cluster, until it is synced. */
  readonly waitReady: (patience?: Patience) => Promise<void>
  /** A clean stop, as systemctl would do it. */
  readonly stop: () => Promise<void>
  readonly kill9: () => Promise<void>
  /** Starts it again and waits until it is ready. `bootstrap` makes it the first node of its cluster once more. */
  readonly start: (how?: { readonly bootstrap: boolean }) => Promise<void>
}

const mysqlPort = 3306
const stopGrace = 30_000
const connectTimeout = 5000

/** Below those that the kernel takes for connections, one of which may need any of them at any time. */
const listeningPorts = [10_000, 32_000] as const

const isFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const server = createServer().once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })

/** A TCP port of 127.0.0.1 on the machine itself that was free a moment ago. */
export const freePort = async (): Promise<number> => {
  for (;;) {
    const port = randomInt(...listeningPorts)
    if (await isFree(port)) return port
  }
}

// After an unclean end of all nodes Galera refuses a bootstrap, unless an operator says that this node may.
const allowBootstrap = (data: string): void => {
  const state = join(data, 'grastate.dat')
  if (!existsSync(state)) return
  writeFileSync(state, readFileSync(state, 'utf8').replace(/safe_to_bootstrap: 0/, 'safe_to_bootstrap: 1'))
}

const listening = (host: Host | undefined, port: number): Readonly<Record<string, string>> => {
  if (host) return { bind_address: '0.0.0.0', port: String(port) }
  return port === 0 ? { skip_networking: 'ON' } : { bind_address: '127.0.0.1', port: String(port) }
}

const queryOverSocket = async (socketPath: string, sql: string): Promise<readonly Row[]> => {
  const connection = await createConnection({ socketPath, user: 'root', connectTimeout })
  try {
    const [rows] = await connection.query(sql)
    return Array.isArray(rows) ? rows.map((row) => ({ ...row })) : []
  } finally {
    connection.destroy()
  }
}

/** Makes a server's files, starts it and waits until it is ready. */
export const startMariaDb = async (options: MariaDbOptions): Promise<MariaDb> => {
  const { lab, name, host, galera, settings = {} } = options
  const port = options.port ?? (host ? mysqlPort : 0)
  const directory = join(lab.directory, name)
  const data = join(directory, 'data')
  const socket = join(directory, 'mysqld.sock')
  const optionFile = join(directory, 'my.cnf')
  mkdirSync(directory)
  await (options.dataFrom ? copyData(options.dataFrom, data) : copyTemplate(lab, data))
  writeOptions(optionFile, {
    datadir: data,
    socket,
    pid_file: join(directory, 'mysqld.pid'),
    ...listening(host, port),
    ...(galera ? galeraSettings(name, galera) : {}),
    ...settings,
  })
  await mustRun('chown', [`${serverUser}:${serverUser}`, directory, optionFile])

  const launch = (bootstrap: boolean): LabProcess => {
    if (bootstrap) allowBootstrap(data)
    const args = [`--defaults-file=${optionFile}`, ...(bootstrap ? ['--wsrep-new-cluster'] : [])]
    const program = 'mariadbd'
    return host
      ? host.spawn(program, program, args, { user: serverUser })
      : lab.spawn(`${name}-${program}`, program, args, { user: serverUser })
  }
  let current = launch(galera?.bootstrap ?? false)

  const query = (sql: string): Promise<readonly Row[]> => queryOverSocket(socket, sql)
  const waitReady = async (patience?: Patience): Promise<void> => {
    const server = current
    const look = async (): Promise<boolean> => {
      if (!server.isRunning()) return true
      return galera ? isSynced(await query("SHOW STATUS LIKE 'wsrep_%'")) : (await query('SELECT 1')).length === 1
    }
    await waitFor(`MariaDB ${name} to be ready`, look, patience)
    if (!server.isRunning()) throw new Error(`MariaDB ${name} ended:\n${server.lines().slice(-20).join('\n')}`)
  }
  await waitReady().catch(async (error: unknown) => {
    if (galera === undefined || galera.bootstrap) throw error
    // Once in many times Galera leaves a node that joins waiting for ever; whoever runs it starts it again.
    process.stderr.write(`${String(error)}: it is started once more\n`)
    await current.kill()
    current = launch(false)
    await waitReady()
  })

  return {
    name,
    socket,
    dataDirectory: data,
    address: host?.address ?? '127.0.0.1',
    port,
    process: () => current,
    pid: () => current.pid,
    query,
    waitReady,
    stop: async () => {
      await current.stop(stopGrace)
    },
    kill9: async () => {
      await current.kill()
    },
    start: async ({ bootstrap } = { bootstrap: false }) => {
      if (current.isRunning()) throw new Error(`MariaDB ${name} runs already (pid ${current.pid})`)
      current = launch(bootstrap)
      await waitReady()
    },
  }
}
