// The keys of a configuration, as its schema, its man page and its example have them: `check`, `check.disk`,
// `check.disk.path`. A list stands for its items.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'

export const root = fileURLToPath(new URL('../../..', import.meta.url))

/** A file below packaging/. */
export const packaged = (name: string): string => readFileSync(join(root, 'packaging', name), 'utf8')

const node = z.looseObject({
  properties: z.record(z.string(), z.unknown()).optional(),
  items: z.unknown().optional(),
  anyOf: z.array(z.unknown()).optional(),
  oneOf: z.array(z.unknown()).optional(),
  default: z.unknown().optional(),
})

/** Every key of a JSON schema, those above it too. */
export const keysOf = (schema: unknown): readonly string[] => [...new Set(walk(schema, []).map(({ key }) => key))]

/** The keys of a JSON schema for which it tells a default. */
export const keysWithDefault = (schema: unknown): ReadonlySet<string> =>
  new Set(walk(schema, []).flatMap(({ key, hasDefault }) => (hasDefault ? [key] : [])))

type Key = { readonly key: string; readonly hasDefault: boolean }

const walk = (schema: unknown, above: readonly string[]): readonly Key[] => {
  const { properties = {}, items, anyOf = [], oneOf = [] } = node.parse(schema)
  return [
    ...[...anyOf, ...oneOf, ...(items === undefined ? [] : [items])].flatMap((part) => walk(part, above)),
    ...Object.entries(properties).flatMap(([key, value]) => [
      { key: [...above, key].join('.'), hasDefault: node.parse(value).default !== undefined },
      ...walk(value, [...above, key]),
    ]),
  ]
}

/**
 * What a man page says of each key. `.SS check` begins a section, which may be for several keys alike, and `.B disk.path`
 * below it is `check.disk.path`.
 */
export const describedKeys = (page: string): ReadonlyMap<string, string> => {
  const found = new Map<string, string>()
  const add = (key: string, text: string): void => {
    const plain = text.trim().replaceAll('\n', ' ')
    found.set(key, `${found.get(key) ?? ''} ${plain}`.trim())
  }
  for (const section of page
    .replaceAll('\\-', '-')
    .split(/^\.SS /m)
    .slice(1)) {
    const [heading = '', ...lines] = section.split(/^\.SH /m, 1)[0]?.split('\n') ?? []
    const [own = '', ...entries] = lines.join('\n').split(/^\.TP\n\.B /m)
    for (const name of heading.split(', ')) {
      add(name, own)
      for (const entry of entries) {
        const [key = '', ...text] = entry.split('\n')
        add(`${name}.${key}`, text.join('\n'))
      }
    }
  }
  return found
}

/** Every key that a configuration has. */
export const keysIn = (value: unknown, above: readonly string[] = []): readonly string[] => {
  if (Array.isArray(value)) return value.flatMap((item) => keysIn(item, above))
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, part]) => [[...above, key].join('.'), ...keysIn(part, [...above, key])])
}

/**
 * An example with all of its keys: each comment below its first lines is a line with `# ` in place of two blanks; a key with what
 * is below it, alone between empty lines, is a section of its own.
 */
export const uncommented = (example: string): string =>
  example
    .replaceAll(/(?<=^\w[\s\S]*\n\n)# \w+:.*\n(?:# {3,}.*\n)+(?=\n)/gm, (section) => section.replaceAll(/^# /gm, ''))
    .replaceAll(/(?<=^\w[\s\S]*\n)# /gm, '  ')
