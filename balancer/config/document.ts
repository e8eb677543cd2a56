// A YAML document checked against a schema: either the typed value or every problem with its place in the file.

import { type Document, isMap, isNode, isPair, LineCounter, parseDocument, visit } from 'yaml'
import * as z from 'zod'
import { describe, keyAlone, unknownKey, words } from './words.ts'

/** One thing wrong in a configuration: where it stands, what was found there and what to write instead. */
export type Problem = { readonly line: number; readonly column: number; readonly path: string; readonly text: string }

/** The typed configuration, or all that is wrong with it; what is only unwise comes as warnings. */
export type Checked<T> =
  | { readonly ok: true; readonly value: T; readonly warnings: readonly Problem[] }
  | { readonly ok: false; readonly problems: readonly Problem[] }

/** What a rule over several fields found: the path of the value to change, and why. A warning refuses nothing. */
export type Finding = { readonly path: readonly PropertyKey[]; readonly text: string; readonly isWarning?: boolean }

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
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true, logLevel: 'error' })
  const at = (offset: number) => ({ line: lines.linePos(offset).line, column: lines.linePos(offset).col })
  const refuse = (faults: readonly { readonly offset: number; readonly text: string }[]) =>
    ({ ok: false, problems: faults.map(({ offset, text }) => ({ ...at(offset), path: '(YAML)', text })) }) as const
  // An unknown tag is an error here: the parser would drop it and take the rest, as in `password: !secret`.
  const faults = [...document.errors, ...document.warnings]
  if (faults.length > 0) {
    const textOf = ({ code, message }: (typeof faults)[number]) =>
      tagFaults.includes(code) ? tagText : withoutSource(message)
    return refuse(
      faults.map((fault) => {
        const line = text.split('\n')[at(fault.pos[0]).line - 1] ?? ''
        return { offset: fault.pos[0], text: bracketText(line) ?? textOf(fault) }
      }),
    )
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
    const shown = wanted === 'key' ? [...path.slice(0, -1), keyAlone(String(path.at(-1)))] : path
    return { ...at(offsetOf(path, wanted)), path: pathText(shown), text: message }
  }
  const unknown = (path: readonly PropertyKey[], key: string): Problem => {
    const text = later.has(key) ? notYet : unknownKey(key, keysAt(schema, path, input))
    return problem([...path, key], text, 'key')
  }
  const parsed = schema.safeParse(input, { error: words })
  const findings = rules(input)
  const found = (areWarnings: boolean): readonly Problem[] =>
    findings
      .filter(({ isWarning = false }) => isWarning === areWarnings)
      .map(({ path, text: said }) => problem(path, said))
  const issues = (parsed.error?.issues ?? []).flatMap((issue) =>
    issue.code === 'unrecognized_keys'
      ? issue.keys.map((key) => unknown(issue.path, key))
      : [problem(issue.path, describe(issue, valueAt(input, issue.path)))],
  )
  const problems = [...found(false), ...issues]
  if (parsed.success && problems.length === 0) return { ok: true, value: parsed.data, warnings: inOrder(found(true)) }
  return { ok: false, problems: inOrder(problems) }
}

const notYet = 'this version does not have it yet; remove it'

const inOrder = (problems: readonly Problem[]): readonly Problem[] =>
  [...problems].sort((a, b) => a.line - b.line || a.column - b.column)

/** The document as plain values; undefined where its aliases would grow beyond all bounds. */
const plainValue = (document: Document): unknown => {
  try {
    return document.toJS() ?? {}
  } catch {
    return undefined
  }
}

/** The parser puts the tag into its text, and the tag may be a password that begins with an exclamation mark. */
const tagFaults: readonly string[] = ['TAG_RESOLVE_FAILED', 'BAD_COLLECTION_TYPE']
const tagText = 'a value beginning with ! is taken for a tag, and there is no such tag; put the value in quotes'

/** What to write where an IPv6 address with its port stands without quotes; undefined where none does. */
const bracketText = (line: string): string | undefined => {
  const [, endpoint] = /(?:^|[\s,[{])(\[[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*\]:\d{1,5})(?=$|[\s,\]}])/.exec(line) ?? []
  return endpoint && `a value that begins with [ is a list; put the address in quotes: "${endpoint}"`
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

/** The part of a value under a key; what stands alone in the place of a list or a mapping is the only part of it. */
const member = (value: unknown, key: PropertyKey | undefined): unknown =>
  typeof value !== 'object' || value === null || key === undefined || isAlone(value, key)
    ? value
    : Reflect.get(value, key)

const isAlone = (value: unknown, key: PropertyKey): boolean =>
  (typeof key === 'number' && !Array.isArray(value)) || typeof value === 'string'

/** A path as the file has it: without the steps to what stands alone in the place of a list or a mapping. */
const writtenPath = (input: unknown, path: readonly PropertyKey[]): readonly PropertyKey[] =>
  path.filter((step, i) => !isAlone(valueAt(input, path.slice(0, i)), step))
