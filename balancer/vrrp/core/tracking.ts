// What tracked things mean for a virtual router: its effective priority with its parts, or FAULT.

import { ownerPriority } from '../../core/owner-priority.ts'

/**
 * Something that is tracked. `weight` 0 means FAULT while it fails; a negative one is subtracted while it fails, a
 * positive one added while it succeeds (keepalived's rule). `ok` null: nothing is known yet, and neither is done. A
 * `value` is the number of a tracked file: it is multiplied with the weight. `text` says why it is as it is. `isShared`: where
 * it fails, it is likely to fail on other hosts too.
 */
export type Tracked = {
  readonly name: string
  readonly weight: number
  readonly ok: boolean | null
  readonly value?: number
  readonly text: string
  readonly isShared?: boolean
}

/** One summand of an effective priority. */
export type PriorityPart = { readonly of: string; readonly value: number }

/**
 * `priority` is the sum of `parts`, within 1 to 254, or 255 for the owner; `fault` is why the router must not take part.
 * `isUnsure`: something that is tracked has not been looked at yet. `sharedLoss`: what other hosts are likely to lack too.
 */
export type Standing = {
  readonly priority: number
  readonly parts: readonly PriorityPart[]
  readonly fault: string | null
  readonly isUnsure: boolean
  readonly sharedLoss: number
}

const lowest = 1
const highest = 254
/** keepalived: a file whose number times weight is not above it is a fault. */
export const faultOfFile = -254
const mostOfFile = 253

/** The standing of a router with this configured priority. */
export const standingOf = (configured: number, tracked: readonly Tracked[]): Standing => {
  const faults = tracked.filter(isFault).map(({ name, text }) => (text === '' ? `${name} failed` : `${name}: ${text}`))
  const summands = configured === ownerPriority ? [] : tracked.flatMap(partOf)
  const sum = summands.reduce((total, { value }) => total + value, configured)
  const priority = configured === ownerPriority ? configured : Math.min(highest, Math.max(lowest, sum))
  const limit = priority === sum ? [] : [{ of: 'limit', value: priority - sum }]
  const fault = faults.length > 0 ? faults.join('; ') : null
  const isUnsure = tracked.some(({ ok }) => ok === null)
  const shared = configured === ownerPriority ? [] : tracked.filter(({ isShared }) => isShared === true).flatMap(partOf)
  const sharedLoss = -shared.reduce((total, { value }) => total + value, 0)
  const parts = [{ of: 'configured', value: configured }, ...summands, ...limit]
  return { priority, parts, fault, isUnsure, sharedLoss }
}

/** Whether two standings are the same in all their parts. */
export const isSameStanding = (one: Standing, other: Standing): boolean =>
  one.priority === other.priority &&
  one.fault === other.fault &&
  one.isUnsure === other.isUnsure &&
  one.parts.length === other.parts.length &&
  one.parts.every(({ of, value }, i) => of === other.parts[i]?.of && value === other.parts[i]?.value)

/**
 * The things of all members of a sync group, each once: they share one standing. Where members give one thing different
 * weights, the one that weighs most counts, and FAULT most of all.
 */
export const unionOf = (members: readonly (readonly Tracked[])[]): readonly Tracked[] => {
  const union = new Map<string, Tracked>()
  for (const tracked of members.flat()) {
    const known = union.get(tracked.name)
    if (known === undefined || gravity(tracked) > gravity(known)) union.set(tracked.name, tracked)
  }
  return [...union.values()]
}

const gravity = ({ weight }: Tracked): number => (weight === 0 ? Number.POSITIVE_INFINITY : Math.abs(weight))

const isFault = ({ weight, ok, value }: Tracked): boolean => {
  if (ok === null) return false
  return weight === 0 ? !ok : value !== undefined && value * weight <= faultOfFile
}

const partOf = ({ name, weight, ok, value }: Tracked): readonly PriorityPart[] => {
  if (ok === null || weight === 0) return []
  const amount =
    value === undefined ? amountOf(weight, ok) : Math.max(faultOfFile, Math.min(mostOfFile, value * weight))
  return amount === 0 ? [] : [{ of: name, value: amount }]
}

const amountOf = (weight: number, ok: boolean): number => (ok === weight > 0 ? weight : 0)
