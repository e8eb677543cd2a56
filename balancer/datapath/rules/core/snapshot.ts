// What is in a table as far as it can be compared: made from a table that is wanted, or from what nft lists.

import { type Element, fingerprint, type Hook, type SetForm, type Table } from './table.ts'

/** A table in a form in which what is wanted and what is there can be compared. */
export type Snapshot = {
  readonly counters: ReadonlySet<string>
  /** Policies as text, by name. */
  readonly timeouts: ReadonlyMap<string, string>
  readonly sets: ReadonlyMap<string, SetSnapshot>
  readonly chains: ReadonlyMap<string, ChainSnapshot>
  /** Names of things in the table that we never make. */
  readonly strangers: readonly string[]
}

export type SetSnapshot = {
  /** `set` or `map`. */
  readonly kind: string
  /** The form as one text; equal texts are equal forms. */
  readonly form: string
  readonly elements: ReadonlyMap<string, Element>
}

export type ChainSnapshot = {
  /** Hook, type and priority as one text; null without a hook. */
  readonly hook: string | null
  /** A fingerprint for each rule; empty text for a rule that is not ours. */
  readonly rules: readonly string[]
}

/** What a table that is applied would be read as. */
export const snapshotOf = (table: Table): Snapshot => ({
  counters: new Set(table.counters),
  timeouts: new Map(table.timeouts.map(({ name, family, policy }) => [name, policyKey(family, policy)])),
  sets: new Map(
    table.sets.map(({ name, form, elements }) => [
      name,
      {
        kind: form.value === null ? 'set' : 'map',
        form: formKey(form),
        elements: elements ?? new Map(),
      },
    ]),
  ),
  chains: new Map(
    table.chains.map(({ name, hook, rules }) => [
      name,
      { hook: hook === null ? null : hookKey(hook), rules: rules.map(fingerprint) },
    ]),
  ),
  strangers: [],
})

/** A form, or what is read as one. */
type ReadableForm = Omit<SetForm, 'keyExpression' | 'flags' | 'timeout' | 'size'> & {
  readonly flags?: readonly string[]
  readonly timeout?: number | undefined
  readonly size?: number | undefined
}

/** A form as one text. */
export const formKey = ({ key, value, flags = [], isCounting = false, timeout, size }: ReadableForm): string =>
  [
    // Newer versions of nft tell an expression instead of types.
    key.includes('integer') ? 'integer' : key.join(' . '),
    value?.join(' . ') ?? 'set',
    // Nft does not say of a set that rules may fill it.
    flags
      .filter((flag) => flag !== 'dynamic')
      .sort()
      .join(','),
    isCounting ? 'counter' : '',
    timeout ?? '',
    size ?? '',
  ].join('|')

/** A base chain's place as one text. */
const hookKey = ({ type, hook, priority }: Hook): string => `${type} ${hook} ${priority}`

/** Nft fills in these where nothing is said, and says nothing of a state that has its own (src/rule.c: tcp_dflt_timeout). */
const usualSeconds: Readonly<Record<string, number>> = {
  ...{ syn_sent: 120, syn_recv: 60, established: 432_000, fin_wait: 120, close_wait: 60, last_ack: 30, time_wait: 120 },
  ...{ close: 10, syn_sent2: 120, retrans: 300, unack: 300 },
}

/** A policy as one text, whatever the order of its states. */
export const policyKey = (family: string, policy: Readonly<Record<string, number>>): string =>
  [
    family,
    ...Object.entries(policy)
      .filter(([state, seconds]) => seconds !== usualSeconds[state])
      .map(([state, seconds]) => `${state}=${seconds}`)
      .sort(),
  ].join(' ')
