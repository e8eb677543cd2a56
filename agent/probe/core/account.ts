// What the check user may do that a check user had better not, by SHOW GRANTS.

import type { Row } from './rows.ts'

/** Who asks, once for each interview. Nothing of the answer is kept: it may hold a password's hash. */
export const accountStatement = 'SHOW GRANTS'

/** MySQL: CONNECTION_ADMIN, SERVICE_CONNECTION_ADMIN; MariaDB: CONNECTION ADMIN; SUPER and ALL have it too. */
const reserved = /\b(?:SERVICE_)?CONNECTION[_ ]ADMIN\b|\bSUPER\b|\bALL PRIVILEGES ON \*\.\*/

/** Whether this user gets the connection that the server keeps for an administrator. */
export const takesReserved = (grants: readonly Row[]): boolean =>
  grants.some((row) => Object.values(row).some((text) => text !== null && reserved.test(text)))

/** The number by which a server answers that runs without its grant tables. */
export const withoutGrants = 1290
