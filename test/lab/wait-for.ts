// Waiting for a condition with a generous limit, and a useful error when it does not come.

import { setTimeout as sleep } from 'node:timers/promises'
import { inspect } from 'node:util'

/** How long to wait and how often to look, in milliseconds. */
export type Patience = { readonly limit?: number; readonly interval?: number }

type Observation<T> = { readonly value: T } | { readonly error: unknown }

const patience = { limit: 90_000, interval: 50 }

const describe = (seen: Observation<unknown>): string =>
  'value' in seen ? inspect(seen.value, { depth: 4 }) : `an error: ${String(seen.error)}`

/**
 * Looks until `condition` returns something truthy and returns that. An error thrown by the condition counts as "not
 * yet". Past `limit` (90 s) it throws, naming what was awaited and what was seen last.
 */
export const waitFor = async <T>(
  description: string,
  condition: () => T | Promise<T>,
  { limit = patience.limit, interval = patience.interval }: Patience = {},
): Promise<NonNullable<T>> => {
  const deadline = performance.now() + limit
  for (;;) {
    let seen: Observation<T>
    try {
      const value = await condition()
      if (value) return value
      seen = { value }
    } catch (error) {
      seen = { error }
    }
    if (performance.now() > deadline) {
      throw new Error(`waited ${limit / 1000} s for ${description}; last seen: ${describe(seen)}`)
    }
    await sleep(interval)
  }
}
