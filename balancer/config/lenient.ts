// How rules read raw input: what is not as expected is undefined or empty, for the schema has reported it already.

import * as z from 'zod'
import type { Finding } from './document.ts'

/** A text, or undefined. */
export const text = z.string().optional().catch(undefined)

/** A list, or an empty one. */
export const listOf = <T extends z.ZodType>(item: T) => z.array(item).catch([])

/** A mapping of which only these keys matter, or undefined. */
export const mapping = <T extends z.ZodRawShape>(shape: T) => z.object(shape).optional().catch(undefined)

/** A value with its place in the configuration; undefined is no value. */
export type Placed = { readonly value: string | undefined; readonly path: readonly PropertyKey[] }

/** A finding for every value that stands above already. */
export const repeated = (items: readonly Placed[], message: (value: string) => string): readonly Finding[] => {
  const seen = new Set<string>()
  return items.flatMap(({ value, path }) => {
    if (value === undefined) return []
    if (seen.has(value)) return [{ path, text: message(value) }]
    seen.add(value)
    return []
  })
}

type Named = { readonly name?: string | undefined } | undefined

/** A finding for every item of the list at `path` whose name is taken. */
export const repeatedNames = (items: readonly Named[], ...path: readonly PropertyKey[]): readonly Finding[] =>
  repeated(
    items.map((item, i) => ({ value: item?.name, path: [...path, i, 'name'] })),
    (name) => `found "${name}"; the name is taken above; choose another`,
  )
