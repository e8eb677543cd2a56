// The last hour of a listener, for the small charts of the page.

import type { Accounts } from '../../../pool/core/accounts.ts'
import { serverKey } from '../../../pool/core/pool.ts'
import { type Series, sampleCount, samplesOf } from '../../../pool/core/series.ts'

/** Samples of the last hour, oldest first; null where nothing was told. */
type Samples = readonly (number | null)[]

/** Sessions, new sessions a second, and milliseconds that the slowest check took. */
export type History = { readonly sessions: Samples; readonly rate: Samples; readonly check: Samples }

/** How many points a chart has: each stands for the highest of several samples. */
const points = 90
const samplesPerPoint = sampleCount / points

/** The hour before `now`, milliseconds since the epoch. */
export const historyOf = (listener: string, servers: readonly string[], accounts: Accounts, now: number): History => {
  const account = accounts.listener(listener)
  const series = (one: Series | undefined): Samples => (one === undefined ? nothing : coarse(samplesOf(one, now)))
  const checks = servers.map((server) => series(accounts.server(serverKey(listener, server))?.checkDuration))
  return {
    sessions: series(account?.sessions),
    rate: series(account?.rate),
    check: nothing.map((_, i) => highest(checks.map((samples) => samples[i] ?? null))),
  }
}

const nothing: Samples = Array.from({ length: points }, () => null)

const coarse = (samples: Samples): Samples =>
  nothing.map((_, i) => highest(samples.slice(i * samplesPerPoint, (i + 1) * samplesPerPoint)))

const highest = (samples: Samples): number | null => {
  let most: number | null = null
  for (const sample of samples) if (sample !== null && (most === null || sample > most)) most = sample
  return most
}
