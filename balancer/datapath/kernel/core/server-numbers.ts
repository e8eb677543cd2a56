// Which mark is which server's, when servers and listeners are renamed, moved and removed: a mark stays with its server as
// long as sessions have it.

import type { ListenerConfig } from '../../../config/schema.ts'
import type { Plan } from '../../core/plan.ts'
import type { Listing } from '../../rules/core/listing.ts'
import { numberingOf } from './adoption.ts'
import type { Numbering } from './kernel-listener.ts'
import { assignNumbers, markText, numberKey } from './marks.ts'

/** The marks of the servers of one plan, by id. */
export type PlanMarks = ReadonlyMap<number, number>

/** A listener's servers, and the marks that they have already. */
export type Numbered = Pick<Plan, 'servers' | 'departed'> & { readonly listener: string; readonly marks: PlanMarks }

/** The numbering for these listeners. What sessions have keeps its mark, under a name that no server can have. */
export const renumber = (
  listeners: readonly Numbered[],
  before: Numbering,
  isInUse: (mark: number) => boolean,
): Numbering => {
  const carried = new Map<string, number>()
  for (const { listener, servers, marks } of listeners) {
    for (const { id, server } of servers) {
      const mark = marks.get(id)
      if (mark !== undefined) carried.set(numberKey({ listener, server }), mark)
    }
  }
  const wanted = listeners.flatMap(({ listener, servers }) => servers.map(({ server }) => ({ listener, server })))
  const names = new Set(wanted.map(numberKey))
  const taken = new Set(carried.values())
  for (const [key, mark] of before) {
    if (taken.has(mark)) continue
    // The name is that of another server now.
    carried.set(names.has(key) ? formerKey(key, mark) : key, mark)
  }
  return assignNumbers(wanted, carried, isInUse)
}

const formerKey = (key: string, mark: number): string => `${key.replace(/\/.*/, '')}/@${markText(mark)}`

/** The marks by the ids of a plan. */
export const marksOf = ({ listener, servers, departed, marks }: Numbered, numbering: Numbering): PlanMarks =>
  new Map([
    ...departed.flatMap(({ id }) => {
      const mark = marks.get(id)
      return mark === undefined ? [] : [[id, mark] as const]
    }),
    ...servers.flatMap(({ id, server }) => {
      const mark = numbering.get(numberKey({ listener, server }))
      return mark === undefined ? [] : [[id, mark] as const]
    }),
  ])

/** The numbering of a table that is there. A server that is somewhere else now does not get the sessions of the old one. */
export const numberingFound = (listing: Listing, listeners: readonly ListenerConfig[]): Numbering => {
  const places = new Map(
    listeners.flatMap(({ name: listener, servers }) =>
      servers.map(
        ({ name: server, address: { address, port } }) =>
          [numberKey({ listener, server }), `${address} . ${port}`] as const,
      ),
    ),
  )
  const { sets } = listing.snapshot
  const placeOf = (mark: number): string | null | undefined =>
    (sets.get('servers4')?.elements.get(markText(mark)) ?? sets.get('servers6')?.elements.get(markText(mark)))?.value
  return new Map(
    [...numberingOf(listing)].map(([key, mark]) => {
      const [place, was] = [places.get(key), placeOf(mark)]
      const isMoved = place !== undefined && was !== undefined && place !== was
      return [isMoved ? formerKey(key, mark) : key, mark] as const
    }),
  )
}
