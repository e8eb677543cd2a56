// A YAML document checked against a schema: either the typed value or every problem with its place in the file.

import { type Document, isMap, isNode, isPair, LineCounter, parseDocument, visit } from 'yaml'
import * as z from 'zod'
import { describe, keyAlone, unknownKey, words } from './words.ts'

/** One thing wrong in a configuration: where it stands, what was found there and what to write instead. */
export type Problem = { readonly line: number; readonly column: number; readonly path: string; readonly text: string }

/** The typed configuration, or all that is wrong with it; what is only unwise comes as warnings. */
export type Checked<T> =
  | { readonly ok: true; readonly value: T; readonly warnings: readonly Problem[] }
  | { readonly ok: false; readonly problems: readonly Problem[]; readonly warnings: readonly Problem[] }

/** What a rule over several fields found: the path of the value to change, and why. */
export type Finding = {
  readonly severity: 'error' | 'warning'
  readonly path: readonly PropertyKey[]
  readonly text: string
}

/** The value that the document has at a path, before any schema; undefined where nothing is written. */
export type Written = (...path: readonly PropertyKey[]) => unknown

/** Checks YAML text against a schema and against rules over what is written. Reports every problem in one go. */
export const checkDocument = <S extends z.ZodType>(
  text: string,
  schema: S,
  rules: (written: Written) => readonly Finding[],
): Checked<z.output<S>> => {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true, logLevel: 'error' })
  const at = (offset: number) => ({ line: lines.linePos(offset).line, column: lines.linePos(offset).col })
  // An unknown tag is an error here: the parser would drop it and take the rest, as in `password: !secret`.
  const faults = [...document.errors, ...document.warnings]
  if (faults.length > 0) {
    const problems = faults.map((fault) => ({
      ...at(fault.pos[0]),
      path: '(YAML)',
      text: tagFaults.includes(fault.code) ? tagText : withoutSource(fault.message),
    }))
    return { ok: false, problems, warnings: [] }
  }

  // A file that is being written looks like that, and a reload must not take it for the wish to have every default.
  if (document.contents === null) {
    const text = 'the file says nothing; write {} where the defaults are all that is wanted'
    return { ok: false, problems: [{ ...at(0), path: '(YAML)', text }], warnings: [] }
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
  const problem = (path: readonly PropertyKey[], message: string): Problem => ({
    ...at(offsetOf(path, 'value')),
    path: pathText(path),
    text: message,
  })
  const unknown = (path: readonly PropertyKey[], key: string): Problem => ({
    ...at(offsetOf([...path, key], 'key')),
    path: pathText([...path, keyAlone(key)]),
    text: unknownKey(key, keysAt(schema, path)),
  })

  const aliases = danglingAliases(document)
  if (aliases.length > 0) {
    const text = 'a value beginning with * refers to an anchor that does not exist; put it in quotes'
    return { ok: false, problems: aliases.map((offset) => ({ ...at(offset), path: '(YAML)', text })), warnings: [] }
  }

  const input = plainValue(document)
  if (input === undefined) {
    const text = 'anchors are used too often or inside each other; write the values out'
    return { ok: false, problems: [{ ...at(0), path: '(YAML)', text }], warnings: [] }
  }
  const parsed = schema.safeParse(input, { error: words })
  const findings = rules((...path) => valueAt(input, path))
  const found = (severity: Finding['severity']) =>
    findings.filter((finding) => finding.severity === severity).map((finding) => problem(finding.path, finding.text))
  const issues = (parsed.error?.issues ?? []).flatMap((issue) =>
    issue.code === 'unrecognized_keys'
      ? issue.keys.map((key) => unknown(issue.path, key))
      : [problem(issue.path, describe(issue, valueAt(input, issue.path)))],
  )
  const problems = [...issues, ...found('error')]
  if (parsed.success && problems.length === 0) return { ok: true, value: parsed.data, warnings: found('warning') }
  return {
    ok: false,
    problems: problems.sort((a, b) => a.line - b.line || a.column - b.column),
    warnings: found('warning'),
  }
}

/** The document as plain values; undefined where its aliases would grow beyond all bounds. */
const plainValue = (document: Document): unknown => {
  try {
    return document.toJS()
  } catch {
    return undefined
  }
}

/** The parser puts the tag into its text, and the tag may be a password that begins with an exclamation mark. */
const tagFaults: readonly string[] = ['TAG_RESOLVE_FAILED', 'BAD_COLLECTION_TYPE']
const tagText = 'a value beginning with ! is taken for a tag, and there is no such tag; put the value in quotes'

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

/** `access.allow[0]` */
const pathText = (path: readonly PropertyKey[]): string =>
  path.length === 0
    ? '(top level)'
    : path.map((step, i) => (typeof step === 'number' ? `[${step}]` : `${i > 0 ? '.' : ''}${String(step)}`)).join('')

const valueAt = (input: unknown, path: readonly PropertyKey[]): unknown =>
  path.reduce<unknown>(
    (value, step) => (typeof value === 'object' && value !== null ? Reflect.get(value, step) : undefined),
    input,
  )

const keysAt = (schema: unknown, path: readonly PropertyKey[]): readonly string[] => {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault) {
    return keysAt(schema.unwrap(), path)
  }
  if (schema instanceof z.ZodPipe) return keysAt(schema.in, path)
  const [step, ...rest] = path
  if (schema instanceof z.ZodArray) return keysAt(schema.element, rest)
  if (!(schema instanceof z.ZodObject)) return []
  return step === undefined ? Object.keys(schema.shape) : keysAt(schema.shape[String(step)], rest)
}
