// A login to a MySQL or MariaDB server and a query there. A module of its own, so that a director loads the client only for checks that
// log in.

import { connect } from 'node:net'
import { createConnection, type QueryError } from 'mysql2'
import type { MysqlCheckConfig } from '../../config/schema.ts'
import type { Endpoint } from '../../core/endpoint.ts'
import { codeOf } from '../../core/error-text.ts'
import { mysqlFailure } from '../core/mysql-packet.ts'
import { failed, type Judgement, passed } from '../core/result.ts'
import { type Encryption, tlsFailure } from './mysql-tls.ts'
import { connectionFailure, noAnswer, noConnection, startDeadline } from './probe.ts'

const goodbyeMillis = 250
/** Of a whole check: the greeting, the login and the answer to the query. A longer one is no check. */
const maximumBytes = 262_144

/** Where, as whom, and what is asked there. */
export type Login = Endpoint &
  Pick<MysqlCheckConfig, 'timeout'> & {
    readonly user: string
    readonly password: string
    readonly query: string
    readonly encryption: Encryption
  }

/** Logs in, asks, and says goodbye. */
export const logIn = ({ address, port, timeout, user, password, query, encryption }: Login): Promise<Judgement> =>
  new Promise((resolve) => {
    let isConnected = false
    const stream = connect({ host: address, port, noDelay: true }, () => {
      isConnected = true
    })
    let bytes = 0
    stream.on('data', (chunk) => {
      bytes += chunk.length
      if (bytes <= maximumBytes) return
      const text = `the server sent more than ${maximumBytes / 1024} KiB; ask for less in query`
      settle(failed('L7RSP', 'invalid-answer', text))
    })
    const settings = { stream, user, password, connectTimeout: 0, flags: ['-LOCAL_FILES'] }
    const connection = createConnection({ ...settings, ...encryption() })
    const settle = (judgement: Judgement): void => {
      cancel()
      stream.destroy()
      resolve(judgement)
    }
    const cancel = startDeadline(timeout, () => settle(isConnected ? noAnswer(timeout) : noConnection(timeout)))
    connection.on('error', (error) => settle(failureOf(error, port)))
    connection.query(query, (error) => {
      if (error !== null) return settle(failureOf(error, port))
      cancel()
      resolve(passed('L7OK', 'the query answers'))
      // A goodbye: without it the server counts and logs an aborted connection. It closes first, and keeps no port of ours.
      connection.end()
      setTimeout(() => stream.destroy(), goodbyeMillis).unref()
    })
  })

const failureOf = (error: QueryError, port: number): Judgement => {
  if (typeof error.errno === 'number' && error.errno > 0) return mysqlFailure(error.errno)
  if (error.code === 'PROTOCOL_CONNECTION_LOST') return connectionFailure('the server closed it', port)
  if (error.code === 'HANDSHAKE_SSL_ERROR') return failed('L6RSP', 'tls-failed', tlsFailure(error.message))
  if (error.code === 'HANDSHAKE_NO_SSL_SUPPORT') {
    return failed('L7RSP', 'invalid-answer', 'the server has no TLS; take tls out of the check, or set it up')
  }
  // What the client library makes of nonsense has a code of its own, or a text of the server in its place.
  const isSystemError = /^E[A-Z]+$/.test(error.code ?? '')
  return isSystemError
    ? connectionFailure(codeOf(error), port)
    : failed('L7RSP', 'invalid-answer', 'this is no MySQL server, or it speaks otherwise')
}
