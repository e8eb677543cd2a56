// How an address and port stand, as members of the health report and as one sentence of it.

import type { HealthReport } from '../../../shared/health-report.ts'
import { endpointOf } from './entry.ts'
import type { Told } from './standing.ts'

/** One entry of the configuration, with what is missing there. */
export type DirectReturn = Told & { readonly address: string; readonly port: number }

/** A report is bounded, and holds the texts of all entries. */
const mostTexts = 3
const longestText = 120

/**
 * The member of the report; absent where nothing is configured. `connections` are all of the server (Threads_connected),
 * whichever way they came.
 */
export const directReturnMember = (
  told: readonly DirectReturn[],
  connections: number | null,
): Pick<HealthReport, 'direct_return'> =>
  told.length === 0
    ? {}
    : {
        direct_return: told.map(({ address, port, missing, bytesOut }) => ({
          address,
          port,
          ready: missing.length === 0,
          missing: missing.slice(0, mostTexts).map((text) => text.slice(0, longestText)),
          bytes_out: bytesOut,
          connections,
        })),
      }

/** The one warning for all entries that are not ready; none where they are. */
export const directReturnWarning = (told: readonly DirectReturn[]): readonly string[] => {
  const [first, ...others] = told.filter(({ missing }) => missing.length > 0)
  if (first === undefined) return []
  const more = others.length === 0 ? '' : ` (and ${others.length} more)`
  const text = `not prepared for direct return: ${endpointOf(first)}${more}: ${first.missing.join('; ')}`
  return [text.slice(0, longestWarning)]
}

const longestWarning = 256
