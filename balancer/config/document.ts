// A YAML document checked against a schema: either the typed value or every problem with its place in the file.

import { closest, distance } from 'fastest-levenshtein'
import { type Document, isMap, isNode, isPair, LineCounter, parseDocument, visit } from 'yaml'
import { z } from 'zod'

/** One thing wrong in a configuration: where it stands, what was found there and what to write instead. */
export type Problem = { readonly line: number; readonly column: number; readonly path: string; readonly text: string }

/** The typed configuration, or all that is wrong with it. */
export type Checked<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly problems: readonly Problem[] }

/** What a rule over several fields found: the path of the value to change, and why. */
export type Finding = { readonly path: readonly PropertyKey[]; readonly text: string }

/**
 * Checks YAML text against a schema and against rules over several fields, which see the raw input, so that one run
 * reports every problem. `later` are keys that belong to the format but not yet to this version.
 */
export const checkDocument = <S extends z.ZodType>(
  text: string,
  schema: S,
  rules: (input: unknown) => readonly Finding[],
  later: ReadonlySet<string>,
): Checked<z.output<S>> => {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true })
  const at = (offset: number) => ({ line: lines.linePos(offset).line, column: lines.linePos(offset).col })
  const refuse = (faults: readonly { readonly offset: number; readonly text: string }[]) =>
    ({ ok: false, problems: faults.map(({ offset, text }) => ({ ...at(offset), path: '(YAML)', text })) }) as const
  // An unknown tag is an error here: the parser would drop it and take the rest, as in `password: !secret`.
  const faults = [...document.errors, ...document.warnings]
  if (faults.length > 0) {
    return refuse(faults.map((fault) => ({ offset: fault.pos[0], text: withoutSource(fault.message) })))
  }
  const aliases = danglingAliases(document)
  if (aliases.length > 0) {
    const text = 'a value beginning with * refers to an anchor that does not exist; put it in quotes'
    return refuse(aliases.map((offset) => ({ offset, text })))
  }

  const offsetOf = (path: readonly PropertyKey[], wanted: 'key' | 'value'): number => {
    const parent = document.getIn(path.slice(0, -1), true)
    const last = path.at(-1)
    if (isMap(parent)) {
      const pair = parent.items.find((item) => isPair(item) && isNode(item.key) && item.key.toJSON() === last)
      const node = wanted === 'key' || pair?.value == null ? pair?.key : pair.value
      if (isNode(node)) return node.range?.[0] ?? 0
    }
    const node = document.getIn([...path], true)
    if (isNode(node)) return node.range?.[0] ?? 0
    return path.length === 0 ? 0 : offsetOf(path.slice(0, -1), 'key')
  }
  const input = plainValue(document)
  if (input === undefined) {
    return refuse([{ offset: 0, text: 'anchors are used too often or inside each other; write the values out' }])
  }
  const problem = (full: readonly PropertyKey[], message: string, wanted: 'key' | 'value' = 'value'): Problem => {
    const path = writtenPath(input, full)
    return { ...at(offsetOf(path, wanted)), path: pathText(path), text: message }
  }
  const parsed = schema.safeParse(input)
  const problems = rules(input).map((finding) => problem(finding.path, finding.text))
  for (const issue of parsed.error?.issues ?? []) {
    if (issue.code === 'unrecognized_keys') {
      for (const key of issue.keys) {
        const text = later.has(key)
          ? 'this version does not have it yet; remove it'
          : unknownKey(key, keysAt(schema, issue.path, input))
        problems.push(problem([...issue.path, key], text, 'key'))
      }
    } else {
      problems.push(problem(issue.path, describe(issue, valueAt(input, issue.path))))
    }
  }
  if (parsed.success && problems.length === 0) return { ok: true, value: parsed.data }
  return { ok: false, problems: problems.sort((a, b) => a.line - b.line || a.column - b.column) }
}

/** The document as plain values; undefined where its aliases would grow beyond all bounds. */
const plainValue = (document: Document): unknown => {
  try {
    return document.toJS() ?? {}
  } catch {
    return undefined
  }
}

/** The parser quotes the source after a colon or in further lines, and the source may be a password. */
const withoutSource = (message: string): string => message.split(/:(?:\s|$)|\n| at line \d/)[0] ?? message

/** Offsets of aliases without an anchor. The parser would throw a text with the alias in it: perhaps a password. */
const danglingAliases = (document: Document): readonly number[] => {
  const offsets: number[] = []
  visit(document, {
    Alias: (_, alias) => {
      if (alias.resolve(document) === undefined) offsets.push(alias.range?.[0] ?? 0)
    },
  })
  return offsets
}

/** `listeners[0].servers[1].address` */
const pathText = (path: readonly PropertyKey[]): string =>
  path.length === 0
    ? '(top level)'
    : path.map((step, i) => (typeof step === 'number' ? `[${step}]` : `${i > 0 ? '.' : ''}${String(step)}`)).join('')

/** The value that stands at a path; a scalar that the schema reads as a mapping or a list stands for its parts. */
const valueAt = (input: unknown, path: readonly PropertyKey[]): unknown => path.reduce<unknown>(member, input)

const describe = (issue: z.core.$ZodIssue, found: unknown): string => {
  const expected = expectation(issue)
  if (found === undefined) return `missing; ${expected}`
  const shown = issue.path.some(isSecret) ? '(not shown)' : JSON.stringify(withoutParts(found))
  const said = issue.code === 'invalid_value' ? expected + nearest(String(found), issue.values.map(String)) : expected
  return `found ${shown.length > 80 ? `${shown.slice(0, 80)}…` : shown}; ${said}`
}

/** The address of a webhook and the headers of a request are as good as passwords. */
const isSecret = (key: PropertyKey): boolean => /password|^url$|^headers$/.test(String(key))

/** A mapping or list in the place of a single value is only named: it may hold a password. */
const withoutParts = (found: unknown): unknown =>
  Array.isArray(found) ? 'a list' : typeof found === 'object' && found !== null ? 'a mapping' : found

const typeWords: Readonly<Record<string, string>> = {
  object: 'a mapping (key: value) is needed',
  array: 'a list is needed',
  boolean: 'write true or false',
  string: 'a text is needed',
  number: 'a number is needed',
  int: 'a whole number is needed',
}

const expectation = (issue: z.core.$ZodIssue): string => {
  // A key of a record: what is wrong with it stands inside.
  if (issue.code === 'invalid_key') return issue.issues[0]?.message ?? issue.message
  if (!issue.message.startsWith('Invalid ')) return issue.message
  if (issue.code === 'invalid_value') return `allowed are ${issue.values.map(String).join(', ')}`
  return issue.code === 'invalid_type' ? (typeWords[issue.expected] ?? issue.message) : issue.message
}

const unknownKey = (key: string, known: readonly string[]): string =>
  `unknown key${nearest(key, known) || `; known here: ${known.join(', ')}`}`

/** `; did you mean X?` where a known word is near, else nothing. */
export const nearest = (word: string, known: readonly string[]): string => {
  const best = known.length > 0 ? closest(word, known) : ''
  return best !== '' && distance(word, best) <= Math.max(2, word.length / 3) ? `; did you mean ${best}?` : ''
}

/** The keys that a schema knows at a path. Where several shapes are allowed, the value's own `type` tells which is meant. */
const keysAt = (schema: unknown, path: readonly PropertyKey[], value: unknown): readonly string[] => {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault) {
    return keysAt(schema.unwrap(), path, value)
  }
  if (schema instanceof z.ZodPipe) {
    return keysAt(schema.in instanceof z.ZodTransform ? schema.out : schema.in, path, value)
  }
  if (schema instanceof z.ZodDiscriminatedUnion) {
    const type = member(value, 'type')
    const options: readonly unknown[] = schema.options
    const meant = options.filter((option) => option instanceof z.ZodObject && isAccepted(option.shape['type'], type))
    return keysAt(meant[0] ?? options[0], path, value)
  }
  const [step, ...rest] = path
  if (schema instanceof z.ZodArray) return keysAt(schema.element, rest, member(value, step))
  if (!(schema instanceof z.ZodObject)) return []
  return step === undefined ? Object.keys(schema.shape) : keysAt(schema.shape[String(step)], rest, member(value, step))
}

const isAccepted = (schema: unknown, value: unknown): boolean =>
  schema instanceof z.ZodType && schema.safeParse(value).success

/** The part of a value under a key; what stands alone in the place of a list is its only item. */
const member = (value: unknown, key: PropertyKey | undefined): unknown =>
  typeof value !== 'object' || value === null || key === undefined || isAlone(value, key)
    ? value
    : Reflect.get(value, key)

const isAlone = (value: unknown, key: PropertyKey): boolean => typeof key === 'number' && !Array.isArray(value)

/** A path as the file has it: without the position of what stands alone in the place of a list. */
const writtenPath = (input: unknown, path: readonly PropertyKey[]): readonly PropertyKey[] =>
  path.filter((step, i) => !isAlone(valueAt(input, path.slice(0, i)), step))
