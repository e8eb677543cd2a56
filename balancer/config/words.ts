// What is wrong with one value, in words for an operator. A schema's own words come first; these stand in for zod's.

import type { z } from 'zod'
import { nearest } from '../core/near-word.ts'

const typeWords: Readonly<Record<string, string>> = {
  object: 'a mapping (key: value) is needed',
  record: 'a mapping (key: value) is needed',
  array: 'a list is needed',
  boolean: 'write true or false',
  string: 'a text is needed',
  number: 'a number is needed',
  int: 'a whole number is needed',
}

/** The words for every kind of finding that a schema has none of its own for; to be given to `safeParse`. */
export const words: z.core.$ZodErrorMap = (issue) => {
  switch (issue.code) {
    case 'invalid_type': {
      const needed = typeWords[issue.expected] ?? 'this kind of value is not allowed here'
      const isBare = issue.expected === 'string' && isScalar(issue.input)
      return isBare ? `${needed}; put it in quotes` : needed
    }
    case 'invalid_value':
      return `allowed are ${issue.values.map(String).join(', ')}`
    case 'too_big':
      return `at most ${issue.maximum}${unitOf(issue.origin)}`
    case 'too_small':
      return issue.minimum === 1 && issue.origin === 'string'
        ? 'it is empty; write a text'
        : `at least ${issue.minimum}${unitOf(issue.origin)}`
    default:
      return 'this is not allowed here'
  }
}

const isScalar = (input: unknown): boolean => typeof input === 'number' || typeof input === 'boolean'

const unitOf = (origin: string): string =>
  origin === 'string' ? ' characters' : origin === 'array' || origin === 'record' ? ' entries' : ''

const shownLength = 80

/** `found X; what is allowed`, or `missing; what is needed`. What may be a secret is not shown. */
export const describe = (issue: z.core.$ZodIssue, found: unknown): string => {
  // A key of a record: what is wrong with it stands inside.
  const said = issue.code === 'invalid_key' ? (issue.issues[0]?.message ?? issue.message) : issue.message
  if (found === undefined) return `missing; ${said}`
  const shown = mayBeSecret(issue, found) ? '(not shown)' : JSON.stringify(withoutParts(found))
  const meant = issue.code === 'invalid_value' ? nearest(String(found), issue.values.map(String)) : ''
  return `found ${shown.length > shownLength ? `${shown.slice(0, shownLength)}…` : shown}; ${said}${meant}`
}

/**
 * The address of a webhook and the headers of a request are as good as passwords; and where the name of a file is wanted, somebody
 * may have written what should stand in it.
 */
const secretKey = /password|^url$|^headers$|^header_files$|^key_file$/

/** All that stands where a mapping should may be one too: `password:secret` without its space is a text. */
const mayBeSecret = (issue: z.core.$ZodIssue, found: unknown): boolean =>
  issue.path.some((key) => secretKey.test(String(key))) ||
  (issue.code === 'invalid_type' && issue.expected === 'object' && typeof found === 'string')

/** A mapping or list in the place of a single value is only named: it may hold a password. */
const withoutParts = (found: unknown): unknown =>
  Array.isArray(found) ? 'a list' : typeof found === 'object' && found !== null ? 'a mapping' : found

/** Without a space behind the colon, as in `{ password:secret }`, the value is part of the key. */
export const keyAlone = (key: string): string => /^[\w.-]+/.exec(key)?.[0] ?? '?'

/** What to write in the place of a key that a schema does not know. */
export const unknownKey = (key: string, known: readonly string[]): string =>
  known.includes(keyAlone(key)) && /^[\w.-]+[:=]/.test(key)
    ? `unknown key; write ${keyAlone(key)}: with a space behind the colon`
    : `unknown key${nearest(keyAlone(key), known) || `; known here: ${known.join(', ')}`}`
