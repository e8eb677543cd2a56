// Routers of another group with our virtual router id. They mean nothing, until a new configuration puts this router into
// their group: then it has heard its master already.

import { type Millis, millis } from '../../core/time.ts'
import type { Advertisement } from './advertisement.ts'
import type { Regrouping } from './state.ts'
import { masterDownInterval } from './timers.ts'

/** The last advertisement of each, by its source; those that said goodbye are forgotten. */
export type Strangers = ReadonlyMap<string, { readonly advertisement: Advertisement; readonly at: Millis }>

const resigning = 0
/** Anybody can name any source: no more of them are remembered. */
const maximumStrangers = 16

/** One more advertisement of another group. */
export const withStranger = (
  strangers: Strangers,
  from: string,
  advertisement: Advertisement,
  at: Millis,
): Strangers => {
  const next = new Map(strangers)
  next.delete(from)
  if (advertisement.priority !== resigning) next.set(from, { advertisement, at })
  const [oldest] = next.keys()
  if (oldest !== undefined && next.size > maximumStrangers) next.delete(oldest)
  return next
}

/** What it means that the advertised addresses change so; undefined where some stay: it is in the same group still. */
export const regrouping = (
  before: readonly string[],
  after: readonly string[],
  strangers: Strangers,
  now: Millis,
): Regrouping | undefined => {
  if (after.some((address) => before.includes(address))) return undefined
  const alive = [...strangers].filter(([, { advertisement, at }]) => {
    const { version, priority, interval, addresses } = advertisement
    const missedAt = millis(at + masterDownInterval(version, priority, interval))
    return now < missedAt && addresses.some((address) => after.includes(address))
  })
  const [best] = alive.toSorted(([, a], [, b]) => b.advertisement.priority - a.advertisement.priority)
  if (best === undefined) return { master: null }
  const [from, { advertisement }] = best
  return { master: { from, priority: advertisement.priority, interval: advertisement.interval } }
}
