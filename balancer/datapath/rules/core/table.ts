// A table of nftables as a value: what is in it, and the text that makes it.

import { hashOf } from '../../../core/hash.ts'

/** What a set or map is made as. It cannot be changed: another form is another set. */
export type SetForm = {
  /** Types of the key, as nft names them; `integer` is one without a name, as what numgen and jhash give. */
  readonly key: readonly string[]
  /** An expression of the key's types, where one of them has no name. */
  readonly keyExpression?: string
  /** Types of the value of a map; null for a set, `verdict` for a map of verdicts. */
  readonly value: readonly string[] | null
  readonly flags?: readonly ('interval' | 'timeout' | 'dynamic')[]
  /** Each element counts the packets and bytes that found it. */
  readonly isCounting?: boolean
  /** Of elements that rules add, in seconds. */
  readonly timeout?: number
  /** The most elements that rules may add. */
  readonly size?: number
}

/** Of a key that numgen or jhash gives. nft 1.0.6 crashes listing `typeof jhash …`. */
export const anyNumber: Pick<SetForm, 'key' | 'keyExpression'> = {
  key: ['integer'],
  keyExpression: 'numgen inc mod 2',
}

/** What an element is mapped to (null in a set), and a word about it for whoever lists the rules. */
export type Element = { readonly value: string | null; readonly comment: string | null }

/** A set or map with its elements by their key; null where rules or a driver fill it. */
export type RuleSet = {
  readonly name: string
  readonly form: SetForm
  readonly elements: ReadonlyMap<string, Element> | null
}

/** Where a base chain hangs. `priority` is a number: names of priorities are read back as numbers. */
export type Hook =
  | {
      readonly type: 'filter' | 'nat'
      readonly hook: 'prerouting' | 'input' | 'forward' | 'output' | 'postrouting'
      readonly priority: number
    }
  /** Of a table of the family netdev. nft 1.0.6 lists no device in JSON: the name of the chain has to tell it. */
  | { readonly type: 'filter'; readonly hook: 'ingress'; readonly device: string; readonly priority: number }

/** A chain; without a hook others jump to it. */
export type Chain = { readonly name: string; readonly hook: Hook | null; readonly rules: readonly string[] }

/** A policy of timeouts of conntrack for TCP, in seconds by the name of the state. */
export type TimeoutPolicy = {
  readonly name: string
  readonly family: 'ip' | 'ip6'
  readonly policy: Readonly<Record<string, number>>
}

/** Families of tables that are made here. */
export type TableFamily = 'inet' | 'netdev'

/** Which table: another family may have one of the same name. */
export type TablePlace = { readonly family: TableFamily; readonly name: string }

/** A table. Names are unique by kind. */
export type Table = TablePlace & {
  readonly counters: readonly string[]
  readonly timeouts: readonly TimeoutPolicy[]
  readonly sets: readonly RuleSet[]
  readonly chains: readonly Chain[]
}

/** The whole table as nft takes it: for a host that has no table of that name. */
export const tableText = ({ family, name, counters, timeouts, sets, chains }: Table): string =>
  [
    `table ${family} ${name} {`,
    ...counters.map((counter) => `  counter ${counter} { }`),
    ...timeouts.map((timeout) => `  ct timeout ${timeout.name} { ${policyText(timeout)} }`),
    ...sets.flatMap((set) => [
      `  ${kindOf(set.form)} ${set.name} {`,
      `    ${formText(set.form)}`,
      ...(set.elements === null || set.elements.size === 0 ? [] : [`    elements = { ${elementsText(set.elements)} }`]),
      '  }',
    ]),
    ...chains.flatMap((chain) => [
      `  chain ${chain.name} {`,
      ...(chain.hook === null ? [] : [`    ${hookText(chain.hook)}`]),
      ...chain.rules.map((rule) => `    ${ruleText(rule)}`),
      '  }',
    ]),
    '}',
    '',
  ].join('\n')

/** `set` or `map`, as commands want it. */
export const kindOf = ({ value }: SetForm): string => (value === null ? 'set' : 'map')

/** The declaration of a set, without its elements. */
export const formText = (form: SetForm): string => {
  const { key, keyExpression, value, flags = [], isCounting = false, timeout, size } = form
  // `integer` has no size of its own and cannot be written as a type.
  const types =
    keyExpression === undefined
      ? `type ${key.join(' . ')}${value === null ? '' : ` : ${value.join(' . ')}`};`
      : `typeof ${keyExpression}${value === null ? '' : ` : ct ${value.join(' . ')}`};`
  return [
    types,
    ...(flags.length === 0 ? [] : [`flags ${flags.join(', ')};`]),
    ...(isCounting ? ['counter;'] : []),
    ...(timeout === undefined ? [] : [`timeout ${timeout}s;`]),
    ...(size === undefined ? [] : [`size ${size};`]),
  ].join(' ')
}

/** Elements as nft takes them, without the braces. */
export const elementsText = (elements: Iterable<readonly [string, Element]>): string =>
  [...elements]
    .map(([key, { value, comment }]) =>
      [key, ...(comment === null ? [] : [`comment "${comment}"`]), ...(value === null ? [] : [`: ${value}`])].join(' '),
    )
    .join(', ')

/** A base chain's declaration. Its policy is always accept: what is not ours passes. */
export const hookText = (hook: Hook): string => {
  const device = hook.hook === 'ingress' ? ` device "${hook.device}"` : ''
  return `type ${hook.type} hook ${hook.hook}${device} priority ${hook.priority}; policy accept;`
}

/** A policy's declaration, without the braces. */
export const policyText = ({ family, policy }: TimeoutPolicy): string =>
  `protocol tcp; l3proto ${family}; policy = { ${Object.entries(policy)
    .map(([state, seconds]) => `${state}: ${seconds}`)
    .join(', ')} };`

/** A rule with its fingerprint, by which it is known again: what nft lists is written in another way. */
export const ruleText = (rule: string): string => `${rule} comment "${fingerprint(rule)}"`

/** Eight digits that stand for a rule's text. */
export const fingerprint = (rule: string): string => hashOf(rule).toString(16).padStart(8, '0')
