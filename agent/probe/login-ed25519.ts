// MariaDB's client_ed25519: a password proved by a signature, so that neither it nor a hash of it goes over the wire.

import { createHash } from 'node:crypto'
import { etc, Point } from '@noble/ed25519'
import type { AuthPlugin } from 'mysql2'

const scrambleBytes = 32
const order = Point.CURVE().n

const sha512 = (...parts: readonly Uint8Array[]): Buffer => {
  const hash = createHash('sha512')
  for (const part of parts) hash.update(part)
  return hash.digest()
}

const littleEndian = (bytes: Uint8Array): bigint => BigInt(`0x${Buffer.from(bytes).reverse().toString('hex')}`)
const scalarOf = (bytes: Uint8Array): bigint => etc.mod(littleEndian(bytes), order)
const bytesOf = (scalar: bigint): Buffer => Buffer.from(scalar.toString(16).padStart(64, '0'), 'hex').reverse()

/**
 * RFC 8032, section 5.1.6, with the password itself in the place of the seed of 32 bytes: its length is that of the
 * password, and node:crypto takes no such key.
 */
const signed = (message: Uint8Array, password: string): Buffer => {
  const expanded = sha512(Buffer.from(password))
  const [head, prefix] = [expanded.subarray(0, 32), expanded.subarray(32)]
  head.writeUInt8(head.readUInt8(0) & 248, 0)
  head.writeUInt8((head.readUInt8(31) & 127) | 64, 31)
  const secret = scalarOf(head)
  const publicKey = Point.BASE.multiply(secret).toBytes()
  const nonce = scalarOf(sha512(prefix, message))
  const commitment = Point.BASE.multiply(nonce).toBytes()
  const challenge = scalarOf(sha512(commitment, publicKey, message))
  return Buffer.concat([commitment, bytesOf(etc.mod(nonce + challenge * secret, order))])
}

/** https://mariadb.com/docs/server/reference/plugins/authentication-plugins/authentication-plugin-ed25519 */
export const ed25519: AuthPlugin =
  ({ connection }) =>
  (data) =>
    signed(data.subarray(0, scrambleBytes), connection.config.password ?? '')
