// The rules of this host as nft lists them (libnftables-json(5)), as far as the way of a packet depends on them.

import * as z from 'zod'

/** A rule: its statements in order, and its text as nft writes it. `handle` is unique in its table. */
export type Rule = { readonly handle: number; readonly expressions: readonly Statement[]; readonly text: string }

/** One statement; its single key is its name. */
export type Statement = Readonly<Record<string, unknown>>

/** A chain; without a hook others jump to it. */
export type Chain = {
  readonly family: string
  readonly table: string
  readonly name: string
  readonly hook: {
    readonly name: string
    readonly type: string
    readonly priority: number
    readonly policy: string
    /** The interfaces that it hears, at the hooks ingress and egress. */
    readonly devices: readonly string[]
  } | null
  readonly rules: readonly Rule[]
}

// For updates of maps nft 1.0.6 has the text of the statement alone, such as `update @flows { ip saddr : meta mark }`.
const statement = z.union([z.record(z.string(), z.unknown()), z.string().transform((text) => ({ text }))])
const listed = z.object({
  nftables: z.array(
    z.object({
      chain: z
        .object({
          family: z.string(),
          table: z.string(),
          name: z.string(),
          hook: z.string().optional(),
          type: z.string().default('filter'),
          prio: z.number().default(0),
          policy: z.string().default('accept'),
        })
        .optional(),
      rule: z
        .object({
          family: z.string(),
          table: z.string(),
          chain: z.string(),
          handle: z.number(),
          expr: z.array(statement).default([]),
        })
        .optional(),
    }),
  ),
})

/** What nft answered: `json` of `nft -j -t list ruleset`, `text` of `nft -a -t list ruleset`. Null where it is not that. */
export const parseRuleset = (json: string, text: string): readonly Chain[] | null => {
  const parsed = listed.safeParse(fromJson(json))
  if (!parsed.success) return null
  const texts = ruleTexts(text)
  const devicesOf = chainDevices(text)
  const rules = new Map<string, Rule[]>()
  for (const { rule } of parsed.data.nftables) {
    if (rule === undefined) continue
    const { family, table, chain, handle, expr } = rule
    const key = `${family} ${table} ${chain}`
    const own = rules.get(key) ?? []
    rules.set(key, own)
    own.push({ handle, expressions: expr, text: texts.get(`${family} ${table} ${handle}`) ?? '' })
  }
  return parsed.data.nftables.flatMap(({ chain }) => {
    if (chain === undefined) return []
    const { family, table, name, hook, type, prio: priority, policy } = chain
    const devices = devicesOf.get(`${family} ${table} ${name}`) ?? []
    return [
      {
        ...{ family, table, name },
        hook: hook === undefined ? null : { name: hook, type, priority, policy, devices },
        rules: rules.get(`${family} ${table} ${name}`) ?? [],
      },
    ]
  })
}

const fromJson = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

/** The interfaces of chains that have some, by family, table and chain: nft 1.0.6 leaves them out of its JSON. */
const chainDevices = (text: string): ReadonlyMap<string, readonly string[]> => {
  const devices = new Map<string, readonly string[]>()
  let [table, chain] = ['', '']
  for (const line of text.split('\n')) {
    table = /^table (\S+ \S+) \{/.exec(line)?.[1] ?? table
    chain = /^\s+chain (\S+) \{/.exec(line)?.[1] ?? chain
    const [, one, several] = /^\s+type \S+ hook \S+ (?:device "?([^\s"]+)"?|devices = \{([^}]*)\}) /.exec(line) ?? []
    const names = one === undefined ? (several ?? '').split(',') : [one]
    const found = names.map((name) => name.trim().replaceAll('"', '')).filter(Boolean)
    if (found.length > 0) devices.set(`${table} ${chain}`, found)
  }
  return devices
}

/** Lines that bear a handle, by family, table and handle. Counters are left out: they change all the time. */
const ruleTexts = (text: string): ReadonlyMap<string, string> => {
  const texts = new Map<string, string>()
  let table = ''
  for (const line of text.split('\n')) {
    table = /^table (\S+ \S+) \{/.exec(line)?.[1] ?? table
    const [, rule, handle] = /^\s+(.*\S)\s+# handle (\d+)$/.exec(line) ?? []
    if (rule === undefined || rule.endsWith('{')) continue
    texts.set(
      `${table} ${handle}`,
      rule
        .replaceAll(/counter packets \d+ bytes \d+ ?/g, '')
        .replaceAll(/ {2,}/g, ' ')
        .trim(),
    )
  }
  return texts
}
