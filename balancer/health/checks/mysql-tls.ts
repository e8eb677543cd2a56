// The encryption of a mysql check's login, as its key `tls` wants it.

import { isIP } from 'node:net'
import { readCheckTls } from '../../config/check-tls.ts'
import type { MysqlCheckConfig } from '../../config/schema.ts'
import { FailedStart } from '../../core/failed-start.ts'

/** What the client library takes; made for each login, so that none goes on with a session of an earlier one. */
export type Encryption = () => {
  readonly ssl?: {
    readonly ca?: Buffer
    readonly cert?: Buffer
    readonly key?: Buffer
    readonly rejectUnauthorized: boolean
    readonly verifyIdentity: boolean
    readonly minVersion: string
  }
  readonly host?: string
}

/** The encryption of logins at `address`. Throws `FailedStart` where a file cannot be read or used. */
export const encryptionOf = (tls: MysqlCheckConfig['tls'], address: string): Encryption => {
  if (tls === undefined) return () => ({})
  const { ca, certificate, key, verify, server_name: name = address } = tls
  const read = readCheckTls({ ca, certificate, key })
  if (!read.ok) throw new FailedStart(`${read.at} in the tls of a mysql check: ${read.problem}`)
  const { files } = read
  // The library takes the name to compare from `host`, but drops an address. With a dot behind it, it is compared.
  const host = isIP(name) === 0 ? name : `${name}.`
  const compared = { rejectUnauthorized: verify !== false, verifyIdentity: verify === true, minVersion: 'TLSv1.2' }
  return () => ({ ssl: { ...files, ...compared }, host })
}

/** What is wrong with TLS, by what the library says of it. */
const meanings: readonly (readonly [RegExp, string])[] = [
  [
    /altnames|match certificate/i,
    'the certificate of the server is for another name; set server_name in tls, or verify: ca',
  ],
  [/not yet valid/i, 'the certificate of the server is not valid yet'],
  [/alert.*certificate|certificate required/i, 'the server refuses the certificate of the check'],
  [/expired/i, 'the certificate of the server has expired'],
  [/self.signed|issuer|first certificate/i, 'the ca of the check has not signed the certificate of the server'],
  [/version|protocol/i, 'the server has no version of TLS from 1.2 on'],
]

/** Words of ours for a failure of TLS: `message` may quote the certificate. */
export const tlsFailure = (message: string): string =>
  meanings.find(([pattern]) => pattern.test(message))?.[1] ?? 'TLS with the server failed'
