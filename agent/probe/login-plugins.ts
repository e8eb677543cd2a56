// How a password is proved to the server where the client library needs a word from us, or does not know the way.

import { createPrivateKey, pbkdf2, randomBytes, sign } from 'node:crypto'
import { promisify } from 'node:util'
import { type AuthPlugin, authPlugins } from 'mysql2'
import type { MysqlTarget } from '../config/login.ts'
import { ed25519 } from './login-ed25519.ts'

/** The plugins for a login at `target`, beside those that the client library has. */
export const loginPlugins = ({ kind }: MysqlTarget): Readonly<Record<string, AuthPlugin>> => ({
  parsec,
  client_ed25519: ed25519,
  // The library cannot see that the stream it is given is a Unix socket, where a password may go in the clear.
  ...(kind === 'socket'
    ? { caching_sha2_password: authPlugins.caching_sha2_password({ overrideIsSecure: true }) }
    : {}),
})

const scrambleBytes = 32
const seedBytes = 32
const leastRounds = 1024
/** PKCS #8 of an Ed25519 key up to the 32 bytes of its seed, RFC 8410. */
const keyPrefix = Buffer.from('302e020100300506032b657004220420', 'hex')
const derive = promisify(pbkdf2)

/**
 * MariaDB's PARSEC, https://mariadb.com/docs/server/reference/plugins/authentication-plugins/authentication-plugin-parsec:
 * an empty packet asks for the salt, and both scrambles are signed with a key made of password and salt.
 */
const parsec: AuthPlugin = ({ connection }) => {
  let scramble: Buffer | null = null
  return async (data) => {
    if (scramble === null) {
      scramble = data.subarray(0, scrambleBytes)
      return Buffer.alloc(0)
    }
    const [algorithm, factor = 0] = data
    if (algorithm !== 'P'.charCodeAt(0) || factor > 3)
      throw new Error('parsec: the server wants another key derivation')
    const password = connection.config.password ?? ''
    const seed = await derive(password, data.subarray(2), leastRounds << factor, seedBytes, 'sha512')
    const key = createPrivateKey({ key: Buffer.concat([keyPrefix, seed]), format: 'der', type: 'pkcs8' })
    const own = randomBytes(scrambleBytes)
    return Buffer.concat([own, sign(null, Buffer.concat([scramble, own]), key)])
  }
}
