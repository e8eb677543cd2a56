// Which number is which server's within its listener: what the map of flows remembers of a session.

import { hashOf } from '../../../core/hash.ts'
import type { Place } from '../../core/plan.ts'

/** Numbers by the id that a plan gives to a server. */
export type ServerNumbers = ReadonlyMap<number, number>

/** The largest number. 0 is nobody's. */
export const largestNumber = 0x3fff

/**
 * A number for each server. It follows from the name, so that a new start finds it again; where two would meet, the second takes
 * the next free one. What has a number keeps it, and one that sessions have (`isTaken`) is no other server's.
 * Throws with more than 16,383 of them: the configuration allows 1,000.
 */
export const numberServers = (
  places: readonly Pick<Place, 'id' | 'server'>[],
  before: ServerNumbers,
  isTaken: (number: number) => boolean,
): ServerNumbers => {
  const kept = places.flatMap(({ id }) => {
    const number = before.get(id)
    return number === undefined ? [] : [[id, number] as const]
  })
  const numbers = new Map(kept)
  const used = new Set(before.values())
  for (const { id, server } of places) {
    if (numbers.has(id)) continue
    const number = nextFree(hashOf(server), (candidate) => !used.has(candidate) && !isTaken(candidate))
    numbers.set(id, number)
    used.add(number)
  }
  return numbers
}

const nextFree = (first: number, isFree: (number: number) => boolean): number => {
  for (let i = 0; i < largestNumber; i += 1) {
    const candidate = 1 + ((first + i) % largestNumber)
    if (isFree(candidate)) return candidate
  }
  throw new Error(`all ${largestNumber} numbers are taken`)
}
