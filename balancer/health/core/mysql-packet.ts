// The first packet of a MySQL or MariaDB server: its greeting, or the error that it gives instead.

import { failed, type Judgement, passed } from './result.ts'

/** MySQL client/server protocol: 3 bytes length, 1 byte sequence. */
const headerBytes = 4
const protocolVersion = 10
const errorPacket = 0xff
const longestVersion = 64
const maximumPacketBytes = 4096

/** What the bytes so far mean; undefined while the packet is not complete. */
export const judgeGreeting = (bytes: Uint8Array): Judgement | undefined => {
  if (bytes.length < headerBytes) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const length = view.getUint16(0, true) + (view.getUint8(2) << 16)
  if (length < 3 || length > maximumPacketBytes) return failed('L7RSP', 'invalid-answer', 'this is no MySQL server')
  if (bytes.length < headerBytes + length) return undefined
  const payload = bytes.subarray(headerBytes, headerBytes + length)
  const [kind] = payload
  if (kind === protocolVersion) return passed('L7OK', versionIn(payload.subarray(1)))
  if (kind !== errorPacket) return failed('L7RSP', 'invalid-answer', 'this is no MySQL server')
  const code = view.getUint16(headerBytes + 1, true)
  return mysqlFailure(code)
}

/** Up to the first zero byte; only what a version is made of. */
const versionIn = (bytes: Uint8Array): string => {
  const end = bytes.indexOf(0)
  const shown = bytes.subarray(0, end < 0 ? bytes.length : end)
  return String.fromCharCode(...shown.subarray(0, longestVersion)).replace(/[^\w.+~:-]/g, '?')
}

/** MariaDB and MySQL error numbers with a reason of their own. */
const errorReasons: Readonly<Record<number, string>> = {
  1040: 'too-many-connections',
  1203: 'too-many-connections',
  1226: 'too-many-connections',
  1047: 'not-ready',
  1045: 'access-denied',
  1698: 'access-denied',
  1129: 'host-blocked',
  1130: 'host-refused',
  1053: 'shutting-down',
  1927: 'connection-lost',
}

/**
 * An error that the server gave. Its text may hold names and statements, and everybody sees the page: shown are the number and
 * words of ours. Galera's 1047, a node outside its cluster, leaves no doubt; the others may pass.
 */
export const mysqlFailure = (code: number): Judgement => {
  const reason = errorReasons[code] ?? 'mysql-error'
  const text = `error ${code}: ${reason.replaceAll('-', ' ')}`
  return failed('L7STS', reason, text, { code, hard: code === 1047 })
}
