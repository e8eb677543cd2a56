// What the daemons say, held against the JSON schemas that are published: without any member that those do not name.

import { z } from 'zod'
import { packaged } from './keys.ts'

type Node = z.core.JSONSchema.BaseSchema

/** A published schema. */
export const published = (name: 'balancer-status' | 'health-report'): Node =>
  JSON.parse(packaged(`schema/${name}.schema.json`))

const isNode = (part: unknown): part is Node => typeof part === 'object' && part !== null && !Array.isArray(part)

/** A member of a schema: its place, what it is, and its words. */
export type Member = { readonly path: string; readonly type: string; readonly words: string }

/** Every member, those of objects in lists too: `listeners[].servers[].up`. */
export const membersOf = (schema: Node, above = ''): readonly Member[] => {
  const { properties = {}, items, anyOf = [] } = schema
  return [
    ...anyOf.flatMap((part) => (isNode(part) ? membersOf(part, above) : [])),
    ...(isNode(items) ? membersOf(items, `${above}[]`) : []),
    ...Object.entries(properties).flatMap(([key, value]) => {
      if (!isNode(value)) return []
      const path = above === '' ? key : `${above}.${key}`
      return [{ path, type: typeOf(value), words: value.description ?? '' }, ...membersOf(value, path)]
    }),
  ]
}

const typeOf = ({ type, anyOf = [] }: Node): string =>
  type === undefined ? anyOf.map((part) => (isNode(part) ? typeOf(part) : '')).join('|') : [type].flat().join('|')

const closed = (schema: unknown): unknown => {
  if (Array.isArray(schema)) return schema.map(closed)
  if (!isNode(schema)) return schema
  const own = Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, closed(value)]))
  return schema.properties === undefined ? own : { ...own, additionalProperties: false }
}

/** What is wrong with a document, by a schema that takes no member that it does not name. */
export const problemsBy = (name: Parameters<typeof published>[0]): ((document: unknown) => readonly string[]) => {
  const schema = z.fromJSONSchema(closed(published(name)) as Node)
  return (document) => {
    const { error } = schema.safeParse(document)
    return (error?.issues ?? []).map(({ path, message }) => `${path.join('.')}: ${message}`)
  }
}
