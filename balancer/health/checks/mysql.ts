// Checks a MySQL or MariaDB server itself: its greeting, or a login and a query (HAProxy: `option mysql-check`).

import type { MysqlCheckConfig } from '../../config/schema.ts'
import { readSecretFile } from '../../config/secret-file.ts'
import type { Endpoint } from '../../core/endpoint.ts'
import { FailedStart } from '../../core/failed-start.ts'
import { judgeGreeting } from '../core/mysql-packet.ts'
import { plainDialer } from './dialer.ts'
import { exchange } from './exchange.ts'
import { encryptionOf } from './mysql-tls.ts'
import type { Probe } from './probe.ts'

/** A check of the server's own port. Throws `FailedStart` where a file that it names cannot be read. */
export const createMysqlProbe = ({ address, port: ownPort }: Endpoint, config: MysqlCheckConfig): Probe => {
  const port = config.port ?? ownPort
  const { timeout, user, query = 'SELECT 1' } = config
  if (user === undefined) {
    const dialer = plainDialer({ address, port })
    const run = () => exchange({ dialer, port, timeout, judge: (received) => judgeGreeting(received) })
    return { run, close: () => {} }
  }
  const password = config.password_file === undefined ? '' : secretIn(config.password_file)
  const encryption = encryptionOf(config.tls, address)
  // Not loaded into a director whose checks do not log in.
  const login = import('./mysql-login.ts')
  return {
    run: async () => (await login).logIn({ address, port, timeout, user, password, query, encryption }),
    close: () => {},
  }
}

const secretIn = (file: string): string => {
  const read = readSecretFile(file)
  if (!read.ok) throw new FailedStart(read.problem)
  return read.secret
}
