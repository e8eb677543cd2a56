// Who may connect, and how fast, as rules that new sessions meet.

import { hashOf } from '../../../core/hash.ts'
import type { IpVersion } from './ip-version.ts'
import { intervalElements } from './prefixes.ts'
import type { RuleSet } from './table.ts'

/** Who may connect, and how fast (balancer.yaml: access). */
export type Access = {
  /** Addresses or prefixes of one family; empty = everyone. */
  readonly allow: readonly string[]
  readonly deny: readonly string[]
  /** New sessions a second; 0 = no limit. */
  readonly connectionRate: number
  readonly connectionRatePerSource: number
}

/** Why access is refused. */
export type AccessRefusal = 'denied' | 'rate' | 'source-rate'

/** What things are called, and the statements that refuse; `content` stands for what a list holds. */
export type AccessWords = {
  readonly listName: (kind: 'allow' | 'deny', content: string) => string
  readonly sourcesName: string
  readonly refuse: (reason: AccessRefusal) => string
}

/** Sources that a listener remembers for its limit, and for how many seconds. */
const rememberedSources = 65536
const rememberedFor = 10

/** The sets, and the rules in their order: none of them where everyone may connect as often as he likes. */
export const accessParts = (
  access: Access,
  version: IpVersion,
  words: AccessWords,
): { readonly sets: readonly RuleSet[]; readonly rules: readonly string[] } => {
  const { listName, sourcesName, refuse } = words
  const { connectionRate, connectionRatePerSource } = access
  const allow = accessList(access.allow, version, (content) => listName('allow', content))
  const deny = accessList(access.deny, version, (content) => listName('deny', content))
  const source = `${version.protocol} saddr`
  const over = (rate: number): string => `limit rate over ${rate}/second burst ${rate} packets`
  const isSourceLimited = connectionRatePerSource > 0
  // A source that is remembered keeps the limit that it was met with first: another limit is another set.
  const limitedSources = `${sourcesName}/${connectionRatePerSource}`
  return {
    sets: [
      ...[allow, deny].filter((set) => set !== null),
      ...(isSourceLimited ? [sources(limitedSources, version)] : []),
    ],
    rules: [
      ...(deny === null ? [] : [`${source} @${deny.name} ${refuse('denied')}`]),
      ...(allow === null ? [] : [`${source} != @${allow.name} ${refuse('denied')}`]),
      ...(isSourceLimited
        ? [`update @${limitedSources} { ${source} ${over(connectionRatePerSource)} } ${refuse('source-rate')}`]
        : []),
      ...(connectionRate === 0 ? [] : [`${over(connectionRate)} ${refuse('rate')}`]),
    ],
  }
}

const accessList = (
  prefixes: readonly string[],
  { addressType }: IpVersion,
  nameOf: (content: string) => string,
): RuleSet | null => {
  if (prefixes.length === 0) return null
  const keys = intervalElements(prefixes)
  return {
    name: nameOf(hashOf(keys.join()).toString(16).padStart(8, '0')),
    form: { key: [addressType], value: null, flags: ['interval'] },
    elements: new Map(keys.map((key) => [key, { value: null, comment: null }])),
  }
}

const sources = (name: string, { addressType }: IpVersion): RuleSet => ({
  name,
  form: {
    key: [addressType],
    value: null,
    flags: ['dynamic', 'timeout'],
    timeout: rememberedFor,
    size: rememberedSources,
  },
  elements: null,
})
