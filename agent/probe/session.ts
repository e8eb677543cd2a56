// One login to the server over its socket or TCP. The socket is ours, so that throwing it away is certain and at once.

import { connect, isIP, type Socket } from 'node:net'
import { createConnection } from 'mysql2'
import type { MysqlConfig, MysqlTarget } from '../config/login.ts'
import type { ServerTls } from '../config/server-tls.ts'
import { type ClientError, type Failure, failureOf } from './core/failure.ts'
import { loginPlugins } from './login-plugins.ts'

/** What a query returned, each row an array of its columns (none for a statement without rows), or why it failed. */
export type Reply =
  | { readonly ok: true; readonly columns: readonly string[]; readonly rows: readonly unknown[][] }
  | { readonly ok: false; readonly failure: Failure }

/** One connection. Nothing here rejects: failures are values. */
export type Session = {
  /** Resolves once logged in. */
  readonly login: () => Promise<Failure | null>
  readonly query: (sql: string) => Promise<Reply>
  /** The statement that the server has not answered yet; null where it owes no answer to one. */
  readonly asking: () => string | null
  /** The server's number for this connection; null before the login. */
  readonly threadId: () => number | null
  readonly isAlive: () => boolean
  /** Says goodbye; a server that does not answer to that loses the socket all the same. */
  readonly end: () => void
  /** Drops the socket without a word. */
  readonly destroy: () => void
}

const goodbyeMillis = 500

/** Opens a connection and starts to log in. */
export const openSession = (target: MysqlTarget, mysql: Pick<MysqlConfig, 'user' | 'password' | 'tls'>): Session => {
  const socket = connectTo(target)
  const connection = createConnection({
    stream: socket,
    user: mysql.user,
    password: mysql.password(),
    connectTimeout: 0,
    flags: ['-LOCAL_FILES'],
    authPlugins: loginPlugins(target),
    ...(mysql.tls === null ? {} : encrypted(mysql.tls)),
    // Values as the server wrote them: no dates of ours, no numbers that lose digits.
    typeCast: false,
  })
  let alive = true
  let asking: string | null = null
  socket.once('close', () => {
    alive = false
  })
  // An idle connection that dies has no command to tell it to.
  connection.on('error', () => {
    alive = false
  })
  return {
    login: () =>
      new Promise((resolve) => connection.connect((error) => resolve(error === null ? null : failure(error)))),
    query: (sql) =>
      new Promise((resolve) => {
        asking = sql
        connection.query({ sql, rowsAsArray: true }, (error, rows, fields) => {
          asking = null
          resolve(error === null ? { ok: true, ...firstSet(rows, fields) } : { ok: false, failure: failure(error) })
        })
      }),
    asking: () => asking,
    threadId: () => connection.threadId ?? null,
    isAlive: () => alive,
    end: () => {
      if (alive) connection.end(() => undefined)
      setTimeout(() => socket.destroy(), goodbyeMillis).unref()
    },
    destroy: () => socket.destroy(),
  }
}

const connectTo = (target: MysqlTarget): Socket => {
  switch (target.kind) {
    case 'socket':
      return connect(target.path)
    case 'tcp':
      return connect({ host: target.host, port: target.port, noDelay: true })
    default:
      return target satisfies never
  }
}

/**
 * Made for each login: a session of TLS that is taken up again shows no certificate, and that of the server may have
 * expired since.
 */
const encrypted = ({ verify, serverName: name, ...files }: ServerTls) => ({
  ssl: {
    ...files,
    rejectUnauthorized: verify !== 'none',
    verifyIdentity: verify === 'identity' && name !== null,
    minVersion: 'TLSv1.2',
  },
  // The library takes the name to compare from here, but drops an address. With a dot behind it, it is compared.
  ...(name === null ? {} : { host: isIP(name) === 0 ? name : `${name}.` }),
})

const failure = (error: ClientError | undefined): Failure => failureOf(error ?? { message: 'no answer', fatal: true })

/** The first rows of an answer; a procedure's come as a list of sets, with the outcome of the call behind them. */
const firstSet = (rows: unknown, fields: unknown): { columns: readonly string[]; rows: readonly unknown[][] } => {
  if (!Array.isArray(rows) || !Array.isArray(fields)) return { columns: [], rows: [] }
  const isList = fields.every((one) => one === undefined || Array.isArray(one))
  if (isList && fields.length > 0) return firstSet(rows[0], fields[0])
  return { columns: fields.map(({ name }) => String(name)), rows: rows.filter((row) => Array.isArray(row)) }
}
