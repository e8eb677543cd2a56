// Which hosts the server blocks, or soon will, for logins that broke off (max_connect_errors): it tells them all 1129.

import type { HostErrors } from './core/facts.ts'
import { rowsFrom } from './core/rows.ts'
import type { Session } from './session.ts'

/** Half of what is allowed is worth a warning; a few hosts are enough to tell. */
const statement = `SELECT ip, sum_connect_errors AS errors, @@global.max_connect_errors AS most
FROM performance_schema.host_cache
WHERE sum_connect_errors * 2 >= @@global.max_connect_errors ORDER BY sum_connect_errors DESC LIMIT 4`

/** The hosts, where this user may read them: GRANT SELECT ON performance_schema.host_cache. Otherwise none. */
export const lookAtHosts = async (session: Session): Promise<readonly HostErrors[]> => {
  const reply = await session.query(statement)
  if (!reply.ok) return []
  return rowsFrom(reply.columns, reply.rows).map(({ ip, errors, most }) => ({
    address: ip ?? '',
    errors: Number(errors),
    most: Number(most),
  }))
}
