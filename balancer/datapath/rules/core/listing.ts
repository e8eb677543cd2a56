// What `nft -j list table` says, read into a snapshot. Newer versions of nft write a list of one as the one.

import * as z from 'zod'
import { type Count, readElements } from './elements.ts'
import { type ChainSnapshot, formKey, policyKey, type SetSnapshot, type Snapshot } from './snapshot.ts'
import type { TablePlace } from './table.ts'

/** A listed table: what it holds, and what it has counted. */
export type Listing = {
  readonly snapshot: Snapshot
  /** Of named counters, by name. */
  readonly counters: ReadonlyMap<string, Count>
  /** Of elements that count, by set and key. */
  readonly elementCounters: ReadonlyMap<string, ReadonlyMap<string, Count>>
}

const words = z.union([z.array(z.string()), z.string().transform((word) => [word])])

const counterSchema = z.object({ name: z.string(), packets: z.number(), bytes: z.number() })
const placeSchema = z.object({ family: z.string(), name: z.string() })
const memberSchema = z.object({ family: z.string(), table: z.string() })
const timeoutSchema = z.object({
  name: z.string(),
  l3proto: z.string(),
  policy: z.record(z.string(), z.number()).nullable(),
})
const setSchema = z.object({
  name: z.string(),
  // A set declared with `typeof` may be told as an expression: only numbers are declared so here.
  type: z.union([words, z.unknown().transform(() => ['integer'])]),
  map: words.optional(),
  flags: words.default([]),
  timeout: z.number().optional(),
  size: z.number().optional(),
  stmt: z.array(z.unknown()).default([]),
  elem: z.array(z.unknown()).default([]),
})
const chainSchema = z.object({
  name: z.string(),
  type: z.string().optional(),
  hook: z.string().optional(),
  prio: z.number().optional(),
  policy: z.string().optional(),
})
const ruleSchema = z.object({ chain: z.string(), comment: z.string().default('') })
const listingSchema = z.object({ nftables: z.array(z.record(z.string(), z.unknown())) })

/** Reads the JSON that nft has printed for a table, a set or counters; null where it is something else. */
export const readListing = (json: unknown): Listing | null => {
  const parsed = listingSchema.safeParse(json)
  if (!parsed.success) return null
  const chains = new Map<string, ChainSnapshot & { rules: string[] }>()
  const sets = new Map<string, SetSnapshot>()
  const timeouts = new Map<string, string>()
  const counters = new Map<string, Count>()
  const elementCounters = new Map<string, ReadonlyMap<string, Count>>()
  const strangers: string[] = []

  const readers: Record<string, (body: unknown) => boolean> = {
    metainfo: () => true,
    table: () => true,
    counter: reader(counterSchema, ({ name, packets, bytes }) => counters.set(name, { packets, bytes })),
    'ct timeout': reader(timeoutSchema, ({ name, l3proto, policy }) =>
      timeouts.set(name, policyKey(l3proto, policy ?? {})),
    ),
    chain: reader(chainSchema, (chain) => chains.set(chain.name, { hook: hookOf(chain), rules: [] })),
    rule: reader(ruleSchema, ({ chain, comment }) => chains.get(chain)?.rules.push(comment)),
    set: reader(setSchema, (set) => addSet('set', set)),
    map: reader(setSchema, (set) => addSet('map', set)),
  }
  const addSet = (kind: string, set: z.output<typeof setSchema>): void => {
    const value = set.map ?? null
    const { elements, counts } = readElements(set.elem, set.type, value)
    const isCounting = set.stmt.length > 0
    const { timeout, size, flags } = set
    sets.set(set.name, { kind, form: formKey({ key: set.type, value, flags, isCounting, timeout, size }), elements })
    if (isCounting) elementCounters.set(set.name, counts)
  }

  for (const entry of parsed.data.nftables) {
    for (const [kind, body] of Object.entries(entry)) {
      const read = readers[kind]
      if (read === undefined) strangers.push(nameOf(kind, body))
      else if (!read(body)) return null
    }
  }
  return {
    snapshot: { counters: new Set(counters.keys()), timeouts, sets, chains, strangers },
    counters,
    elementCounters,
  }
}

/**
 * What of `nft -j -t list ruleset` is a table, in the form of `nft -j list table`; null where there is none. The elements of
 * sets are missing. Nft 1.0.6 reads them for any shorter list, and leaves them out then: 2 s for 100,000.
 */
export const tableIn = (json: unknown, { family, name }: TablePlace): ListedTable | null => {
  const nftables = (listingSchema.safeParse(json).data?.nftables ?? []).filter((entry) => {
    const place = placeSchema.safeParse(entry['table']).data
    if (place !== undefined) return place.family === family && place.name === name
    return Object.values(entry).some((body) => {
      const member = memberSchema.safeParse(body).data
      return member?.family === family && member.table === name
    })
  })
  return nftables.some((entry) => 'table' in entry) ? { nftables } : null
}

/** The named counters of a table in `nft -j -t list ruleset`; null where there is no such table, or it is something else. */
export const readCounters = (json: unknown, place: TablePlace): ReadonlyMap<string, Count> | null => {
  const table = tableIn(json, place)
  if (table === null) return null
  const counters = table.nftables.flatMap((entry) => counterSchema.safeParse(entry['counter']).data ?? [])
  return new Map(counters.map(({ name, packets, bytes }) => [name, { packets, bytes }]))
}

/** The sets and maps of a listed table whose elements do not go away by themselves: what fills the others is not ours. */
export const lastingSets = ({ nftables }: ListedTable): readonly ListedSet[] =>
  nftables.flatMap((entry) =>
    (['set', 'map'] as const).flatMap((kind) => {
      const set = setSchema.safeParse(entry[kind]).data
      return set === undefined || set.flags.includes('timeout') ? [] : [{ kind, name: set.name }]
    }),
  )

/** A set, as a command names it. */
export type ListedSet = { readonly kind: 'set' | 'map'; readonly name: string }

/** With what `nft -j list set` says of sets: of two of one name the last one counts. */
export const withElements = ({ nftables }: ListedTable, sets: readonly unknown[]): ListedTable => ({
  nftables: [...nftables, ...sets.flatMap((json) => listingSchema.safeParse(json).data?.nftables ?? [])],
})

/** Entries in the form of nft: each an object under the name of its kind. */
export type ListedTable = { readonly nftables: readonly Readonly<Record<string, unknown>>[] }

const reader =
  <T>(schema: z.ZodType<T>, take: (value: T) => unknown) =>
  (body: unknown): boolean => {
    const parsed = schema.safeParse(body)
    if (parsed.success) take(parsed.data)
    return parsed.success
  }

const hookOf = ({ type, hook, prio, policy }: z.output<typeof chainSchema>): string | null =>
  hook === undefined ? null : `${type} ${hook} ${prio}${policy === 'accept' ? '' : ` ${policy}`}`

const nameOf = (kind: string, body: unknown): string => {
  const named = z.object({ name: z.string() }).safeParse(body)
  return named.success ? `${kind} ${named.data.name}` : kind
}
