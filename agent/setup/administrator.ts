// The administrator's login over the server's socket: root without a password, or as an option file says.

import { readFileSync } from 'node:fs'
import { parseOptionFile } from '../config/core/option-file.ts'
import { unreadable } from '../config/password-file.ts'
import type { Told } from '../probe/core/facts.ts'
import type { Failure } from '../probe/core/failure.ts'
import { type Row, rowsFrom } from '../probe/core/rows.ts'
import { openSession, type Session } from '../probe/session.ts'

/** Who logs in, and over which socket where the option file names one. */
export type AdministratorLogin = { readonly user: string; readonly password: string; readonly socket: string | null }

/** The login. Nothing rejects; a server that does not answer loses the connection. */
export type Administrator = {
  readonly rows: (sql: string) => Promise<Told<readonly Row[]>>
  readonly end: () => void
}

const patienceMillis = 30_000

/** Reads an option file; `isNamed` where the operator named it, so that it has to be there. A text says what is wrong. */
export const administratorLogin = (path: string, isNamed: boolean): AdministratorLogin | string => {
  const nobody = { user: 'root', password: '', socket: null }
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    return isNamed ? unreadable(path, error) : nobody
  }
  const { user = 'root', password = '', socket = null, unsafe } = parseOptionFile(text)
  if (unsafe.length === 0) return { user, password, socket }
  return `${path} has ${unsafe.join(', ')}, which is not obeyed here; name a file without it: --option-file FILE`
}

/** Logs in; the failure where that does not work. */
export const logInAsAdministrator = async (
  socket: string,
  { user, password }: AdministratorLogin,
): Promise<Told<Administrator>> => {
  const session = openSession({ kind: 'socket', path: socket }, { user, password: () => password, tls: null })
  const refused = await within(session, session.login())
  if (refused !== null) {
    session.end()
    return { ok: false, failure: refused }
  }
  const rows: Administrator['rows'] = async (sql) => {
    const reply = await within(session, session.query(sql))
    return reply.ok ? { ok: true, value: rowsFrom(reply.columns, reply.rows) } : reply
  }
  // What is escaped here is read by these rules; and what is written here is no business of a general log.
  await rows("SET SESSION sql_mode = ''")
  await rows('SET SESSION sql_log_off = ON')
  return { ok: true, value: { rows, end: session.end } }
}

const longestTurn = 20

/**
 * Of two set-ups at once one waits here for the other: each would make a password of its own, and the server knows one. False
 * where the other takes too long. A Galera cluster may have no such locks, and then nobody waits.
 */
export const waitForTurn = async ({ rows }: Administrator): Promise<boolean> => {
  const told = await rows(`SELECT GET_LOCK('mysqlchk-agent setup-user', ${longestTurn}) AS taken`)
  return !told.ok || told.value[0]?.['taken'] !== '0'
}

const within = async <T>(session: Session, answer: Promise<T>): Promise<T> => {
  const limit = setTimeout(session.destroy, patienceMillis)
  const given = await answer
  clearTimeout(limit)
  return given
}

/** Why the administrator was not let in, and what to do. */
export const loginAdvice = ({ code, text }: Failure, socket: string, user: string): string => {
  switch (code) {
    case 'connection-refused':
      return `no server listens at ${socket} (${text}). Start it first, or name its socket: --socket PATH`
    case 'access-denied':
      return `${user} is not let in over ${socket} (${text}). Name a file with its login, section [client]: --option-file /root/.my.cnf (Debian's old one: /etc/mysql/debian.cnf)`
    case 'connection-lost':
      return `the server behind ${socket} closed the connection, or did not answer for ${patienceMillis / 1000} s (${text})`
    default:
      return `no login as ${user} over ${socket}: ${text}`
  }
}
