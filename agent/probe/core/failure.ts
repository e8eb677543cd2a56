// From an error of the connection or of the server to the reason that an operator reads.

import type { ReasonCode } from '../../../shared/reason.ts'
import { oneLine } from '../../core/text.ts'
import { loginMeaning } from './login-meaning.ts'

/**
 * Why a login or a query did not work. `fatal`: the connection is gone with it. `text` is shown to everybody, and so is ours
 * alone; `said` has the words of the server, which may hold names and values, for the log.
 */
export type Failure = {
  readonly code: ReasonCode
  readonly text: string
  readonly fatal: boolean
  readonly said?: string
}

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
  [1184, 'connection-lost'],
  [1927, 'connection-lost'],
])

/** What its numbers say, in words of ours. */
const serverWords: ReadonlyMap<number, string> = new Map([
  [1040, 'all connections are taken'],
  [1203, 'the check user has used up its connections'],
  [1226, 'the check user has used up what it may have'],
  [1044, 'the check user may not use that database'],
  [1045, 'user and password are not accepted'],
  [1130, 'logins from this host are not accepted'],
  [1142, 'a privilege is missing'],
  [1143, 'a privilege is missing'],
  [1227, 'a privilege is missing'],
  [1370, 'a privilege is missing'],
  [1251, 'the way to log in is not accepted'],
  [1698, 'user and password are not accepted'],
  [1820, 'the password has expired'],
  [1862, 'the password has expired'],
  [3118, 'the account is locked'],
  [4151, 'the account is locked'],
  [1129, 'this host is blocked'],
  [3159, 'the server wants TLS (require_secure_transport); set mysql.tls in agent.yaml'],
  [3032, 'offline_mode is ON'],
  [1047, 'the node is not prepared for use'],
  [1053, 'the server is stopping'],
  [1184, 'the server ended the connection, as it does where its init_connect fails'],
  [1927, 'the connection was killed'],
  [1021, 'the disk is full'],
  [1032, 'a row was not found'],
  [1049, 'there is no such database'],
  [1054, 'there is no such column'],
  [1062, 'a duplicate key'],
  [1064, 'the statement is not understood'],
  [1146, 'there is no such table'],
  [1205, 'a lock was not to be had in time'],
  [1213, 'a deadlock'],
  [1236, 'the source does not have what is asked of it'],
  [1290, 'the server runs with an option that forbids it'],
  [1317, 'the statement was killed'],
  [1452, 'a foreign key is violated'],
  [2003, 'the source cannot be reached'],
  [2013, 'the connection to the source was lost'],
])

/** `error 1062: a duplicate key`; a number alone where we have no words for it. */
export const numberText = (number: number): string => {
  const words = serverWords.get(number)
  return words === undefined ? `error ${number}` : `error ${number}: ${words}`
}

/** The reason that a number of the server stands for. */
export const reasonOfNumber = (number: number): ReasonCode | undefined => serverReasons.get(number)

/** What an error of the system or of the parser means here. */
const meanings: ReadonlyMap<string, string> = new Map([
  // For a Unix socket: a hung server has stopped taking connections.
  ['EAGAIN', 'the listen queue of the server is full'],
  ['EACCES', 'this user may not go there'],
  ['EPERM', 'this host does not let this user go there'],
  [
    'HANDSHAKE_NO_SSL_SUPPORT',
    'the server has no TLS (ssl_cert, ssl_key); take mysql.tls out of agent.yaml, or set it up',
  ],
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

/** What the system says of a connection, and the one text of the client library that holds nothing of the server's. */
const isHarmless = (code: string): boolean => /^E[A-Z]{2,20}$/.test(code) || code === 'PROTOCOL_CONNECTION_LOST'

/**
 * The reason for an error of the client library. What it does not know is a lost connection or a failed query. Of a text
 * that may come from the server nothing but its number is shown.
 */
export const failureOf = (error: ClientError): Failure => {
  // Below 1000 and negative stand the system's own numbers.
  const number = error.errno !== undefined && error.errno >= 1000 ? error.errno : undefined
  const known = number === undefined ? systemReasons.get(error.code ?? '') : serverReasons.get(number)
  const fatal = error.fatal === true
  const code = known ?? (fatal ? 'connection-lost' : 'query-failed')
  const said = oneLine(error.message, textLength)
  if (number !== undefined) return { code, text: numberText(number), fatal, said }
  const word = /^[A-Z][A-Z0-9_]{1,40}$/.exec(error.code ?? '')?.[0] ?? ''
  const meaning = loginMeaning(word, error.message) ?? meanings.get(word)
  const shown = isHarmless(word) ? said : (meaning ?? word) || 'the answer is not understood'
  const text = isHarmless(word) && meaning !== undefined ? `${meaning}: ${said}` : shown
  return isHarmless(word) ? { code, text, fatal } : { code, text, fatal, said }
}
