// From an error of the connection or of the server to the reason that an operator reads.

import type { ReasonCode } from '../../../shared/reason.ts'
import { oneLine } from '../../core/text.ts'

/** Why a login or a query did not work. `fatal`: the connection is gone with it. */
export type Failure = { readonly code: ReasonCode; readonly text: string; readonly fatal: boolean }

/** An error as the client library gives it: numbers of the server in `errno`, words of the system in `code`. */
export type ClientError = {
  readonly message: string
  readonly code?: string | undefined
  readonly errno?: number | undefined
  readonly fatal?: boolean | undefined
}

const textLength = 256

/** Whether the server refused this user for having used up what the user may have; others are let in. */
export const isOwnLimit = ({ text }: Failure): boolean => /^error (1203|1226):/.test(text)

// Numbers of the server, https://mariadb.com/kb/en/mariadb-error-code-reference/
const serverReasons: ReadonlyMap<number, ReasonCode> = new Map([
  [1040, 'too-many-connections'],
  [1203, 'too-many-connections'],
  [1226, 'too-many-connections'],
  [1044, 'access-denied'],
  [1045, 'access-denied'],
  [1130, 'access-denied'],
  [1142, 'access-denied'],
  [1143, 'access-denied'],
  [1227, 'access-denied'],
  [1251, 'access-denied'],
  [1370, 'access-denied'],
  [1698, 'access-denied'],
  [1820, 'access-denied'],
  [1862, 'access-denied'],
  [3118, 'access-denied'],
  [4151, 'access-denied'],
  [1129, 'host-blocked'],
  // require_secure_transport
  [3159, 'tls-failed'],
  // offline_mode
  [3032, 'maintenance-mode'],
  // Galera's "WSREP has not yet prepared node for application use"
  [1047, 'not-ready'],
  [1053, 'connection-lost'],
  [1927, 'connection-lost'],
])

/** What an error of the system or of the parser means here. */
const meanings: ReadonlyMap<string, string> = new Map([
  // For a Unix socket: a hung server has stopped taking connections.
  ['EAGAIN', 'the listen queue of the server is full'],
  ['EACCES', 'this user may not go there'],
  ['EPERM', 'this host does not let this user go there'],
  ['ER_SECURE_TRANSPORT_REQUIRED', 'the server wants TLS (require_secure_transport); set mysql.tls in agent.yaml'],
  [
    'HANDSHAKE_NO_SSL_SUPPORT',
    'the server has no TLS (ssl_cert, ssl_key); take mysql.tls out of agent.yaml, or set it up',
  ],
  ['HANDSHAKE_SSL_ERROR', 'TLS with the server failed'],
  ['ERR_OUT_OF_RANGE', 'what answers there does not speak the protocol of MySQL'],
  ['ERR_BUFFER_OUT_OF_BOUNDS', 'what answers there does not speak the protocol of MySQL'],
])

const systemReasons: ReadonlyMap<string, ReasonCode> = new Map([
  ['ECONNREFUSED', 'connection-refused'],
  ['ENOENT', 'connection-refused'],
  ['EHOSTUNREACH', 'unreachable'],
  ['ENETUNREACH', 'unreachable'],
  ['ENOTFOUND', 'unreachable'],
  ['EAI_AGAIN', 'unreachable'],
  ['EACCES', 'unreachable'],
  ['EPERM', 'unreachable'],
  ['AUTH_SWITCH_PLUGIN_ERROR', 'access-denied'],
  ['MYSQL_CLEAR_PASSWORD_NOT_ENABLED', 'access-denied'],
  ['HANDSHAKE_NO_SSL_SUPPORT', 'tls-failed'],
  ['HANDSHAKE_SSL_ERROR', 'tls-failed'],
  ['ETIMEDOUT', 'timeout'],
  ['EAGAIN', 'timeout'],
  ['ECONNRESET', 'connection-lost'],
  ['EPIPE', 'connection-lost'],
  ['PROTOCOL_CONNECTION_LOST', 'connection-lost'],
])

/** What to use in the place of a plugin that we do not speak. */
const spoken = 'caching_sha2_password (MySQL), parsec or mysql_native_password (MariaDB), or unix_socket'

/**
 * The reason for an error of the client library. What it does not know is a lost connection or a
 * failed query, with the error's text.
 */
export const failureOf = (error: ClientError): Failure => {
  // Below 1000 and negative stand the system's own numbers.
  const number = error.errno !== undefined && error.errno >= 1000 ? error.errno : undefined
  const known = number === undefined ? systemReasons.get(error.code ?? '') : serverReasons.get(number)
  const code = known ?? (error.fatal === true ? 'connection-lost' : 'query-failed')
  const meaning = meanings.get(error.code ?? '')
  const plugin = /unknown plugin (\w+)|using (mysql_clear_password)/.exec(error.message)
  if (number === undefined && plugin !== null) {
    const text = `the user logs in with ${plugin[1] ?? plugin[2]}, which the agent does not speak; give it ${spoken}`
    return { code, text, fatal: true }
  }
  const said = oneLine(meaning === undefined ? error.message : `${meaning}: ${error.message}`, textLength)
  return { code, text: number === undefined ? said : `error ${number}: ${said}`, fatal: error.fatal === true }
}
