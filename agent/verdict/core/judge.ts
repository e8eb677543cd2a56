// From the facts of a probe to the verdict on the node.

import type { roles, testedModes } from '../../../shared/health-report.ts'
import type { ReasonCode } from '../../../shared/reason.ts'
import type { ServerFacts, Words } from '../../probe/core/facts.ts'
import type { Failure } from '../../probe/core/failure.ts'
import { galeraFacts, galeraObjection, isGalera } from './galera.ts'

/** Why, as a code and in words. */
export type Reason = { readonly code: ReasonCode; readonly text: string }

/** What the node is good for. It passes where the reason is `ok`. */
export type Verdict = {
  readonly reason: Reason
  readonly mode: (typeof testedModes)[number] | null
  readonly role: (typeof roles)[number]
  readonly writable: boolean | null
  /** The server's own words that the verdict rests on, for people. */
  readonly facts: Words
}

/** How a node is to be judged. */
export type Judging = { readonly mode: 'auto' | 'ping' | 'galera'; readonly availableWhenDonor: boolean }

const readOnlyFlags = ['read_only', 'super_read_only', 'innodb_read_only']
const shownFacts = { ping: readOnlyFlags, galera: [...galeraFacts, ...readOnlyFlags] }

/** The verdict on a node that could not be asked. */
export const failed = (reason: Reason): Verdict => ({
  reason: { code: reason.code, text: reason.text },
  mode: null,
  role: 'unknown',
  writable: null,
  facts: {},
})

/** Judges what a server told. A cluster's own word comes first: it explains why the check query fails. */
export const judge = ({ check, words: told }: ServerFacts, { mode, availableWhenDonor }: Judging): Verdict => {
  if (!told.ok && mode !== 'ping') return failed(withoutWords(told.failure))
  const words = told.ok ? told.words : {}
  const tested = mode === 'auto' ? (isGalera(words) ? 'galera' : 'ping') : mode
  const facts = Object.fromEntries(Object.entries(words).filter(([name]) => shownFacts[tested].includes(name)))
  const objection = (tested === 'galera' ? galeraObjection(words, availableWhenDonor) : null) ?? check
  if (objection !== null) return { ...failed(objection), mode: tested, facts }

  const writable = isWritable(words)
  return {
    reason: { code: 'ok', text: tested === 'galera' ? 'the node is synced and answers' : 'the check query answers' },
    mode: tested,
    role: writable === null ? 'unknown' : writable ? 'primary' : 'replica',
    writable,
    facts,
  }
}

const withoutWords = (failure: Failure): Reason => ({
  code: failure.code,
  text: `the server does not tell its variables: ${failure.text}`,
})

const isWritable = (words: Words): boolean | null => {
  const flags = readOnlyFlags.flatMap((name) => words[name] ?? [])
  // MariaDB 12 has further values beside ON.
  return flags.length === 0 ? null : flags.every((flag) => flag === 'OFF' || flag === '0')
}
