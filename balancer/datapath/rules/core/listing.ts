// What `nft -j list table inet NAME` says, read into a snapshot. Newer versions of nft write a list of one as the one.

import { z } from 'zod'
import { type Count, readElements } from './elements.ts'
import { type ChainSnapshot, formKey, policyKey, type SetSnapshot, type Snapshot } from './snapshot.ts'

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
const placeSchema = z.object({ family: z.literal('inet'), name: z.string() })
const ownedCounterSchema = counterSchema.extend({ family: z.literal('inet'), table: z.string() })
const timeoutSchema = z.object({ name: z.string(), l3proto: z.string(), policy: z.record(z.string(), z.number()) })
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
    'ct timeout': reader(timeoutSchema, ({ name, l3proto, policy }) => timeouts.set(name, policyKey(l3proto, policy))),
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
 * The named counters of a table of the family inet in `nft -j -t list ruleset`; null where there is no such table, or it is
 * something else. Nft 1.0.6 reads the elements of all sets for any shorter list of counters: 2 s for ten thousand servers.
 */
export const readCounters = (json: unknown, table: string): ReadonlyMap<string, Count> | null => {
  const entries = listingSchema.safeParse(json).data?.nftables ?? []
  if (!entries.some((entry) => placeSchema.safeParse(entry['table']).data?.name === table)) return null
  const counters = new Map<string, Count>()
  for (const entry of entries) {
    const counter = ownedCounterSchema.safeParse(entry['counter']).data
    if (counter?.table !== table) continue
    counters.set(counter.name, { packets: counter.packets, bytes: counter.bytes })
  }
  return counters
}

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
