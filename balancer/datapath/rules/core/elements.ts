// Elements of sets and maps as nft lists them in JSON, brought into the text in which we write them.

import type { Element } from './table.ts'

/** Packets and bytes of a counter. */
export type Count = { readonly packets: number; readonly bytes: number }

/** Elements by key, and what they have counted. What is of no form that we write keeps its JSON as text. */
export const readElements = (
  listed: readonly unknown[],
  keyTypes: readonly string[],
  valueTypes: readonly string[] | null,
): { readonly elements: ReadonlyMap<string, Element>; readonly counts: ReadonlyMap<string, Count> } => {
  const elements = new Map<string, Element>()
  const counts = new Map<string, Count>()
  for (const item of listed) {
    const [left, right] = valueTypes !== null && Array.isArray(item) ? item : [item, undefined]
    const { val, comment, counter } = unwrapped(left)
    const key = textOf(val, keyTypes)
    elements.set(key, { value: valueTypes === null ? null : textOf(right, valueTypes), comment })
    if (counter !== null) counts.set(key, counter)
  }
  return { elements, counts }
}

type Unwrapped = { readonly val: unknown; readonly comment: string | null; readonly counter: Count | null }

/** An element is its key, or an object of it with what else it has. */
const unwrapped = (item: unknown): Unwrapped => {
  const inner = field(item, 'elem')
  if (inner === undefined) return { val: item, comment: null, counter: null }
  const comment = field(inner, 'comment')
  return {
    val: field(inner, 'val'),
    comment: typeof comment === 'string' ? comment : null,
    counter: countOf(field(inner, 'counter')),
  }
}

const countOf = (value: unknown): Count | null => {
  const [packets, bytes] = [field(value, 'packets'), field(value, 'bytes')]
  return typeof packets === 'number' && typeof bytes === 'number' ? { packets, bytes } : null
}

const textOf = (value: unknown, types: readonly string[]): string => {
  const parts = field(value, 'concat')
  if (Array.isArray(parts)) return parts.map((part, i) => textOf(part, types.slice(i, i + 1))).join(' . ')
  if (typeof value === 'number') {
    return types[0] === 'mark' ? `0x${value.toString(16).padStart(8, '0')}` : `${value}`
  }
  if (typeof value === 'string') return value
  const prefix = field(value, 'prefix')
  if (prefix !== undefined) return `${field(prefix, 'addr')}/${field(prefix, 'len')}`
  const range = field(value, 'range')
  if (Array.isArray(range)) return range.join('-')
  for (const verdict of ['goto', 'jump']) {
    const target = field(field(value, verdict), 'target')
    if (typeof target === 'string') return `${verdict} ${target}`
  }
  return JSON.stringify(value)
}

const field = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined
