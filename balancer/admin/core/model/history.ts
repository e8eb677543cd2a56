// The last hour of a listener, for the small charts of the page.

import type { Accounts } from '../../../pool/core/accounts.ts'
import { serverKey } from '../../../pool/core/pool.ts'
import { peaksOf, type Series } from '../../../pool/core/series.ts'

/** Samples of the last hour, oldest first; null where nothing was told. */
type Samples = readonly (number | null)[]

/** Sessions, new sessions a second, and milliseconds that the slowest check took. */
export type History = { readonly sessions: Samples; readonly rate: Samples; readonly check: Samples }

/** How many points a chart has: each stands for the highest of several samples. */
const points = 90

/** The hour before `now`, milliseconds since the epoch. */
export const historyOf = (listener: string, servers: readonly string[], accounts: Accounts, now: number): History => {
  const account = accounts.listener(listener)
  const peaks = (all: readonly (Series | undefined)[]): Samples =>
    peaksOf(
      all.filter((series) => series !== undefined),
      now,
      points,
    )
  return {
    sessions: peaks([account?.sessions]),
    rate: peaks([account?.rate]),
    check: peaks(servers.map((server) => accounts.server(serverKey(listener, server))?.checkDuration)),
  }
}
