// Shapes that several parts of the schema share.

import { z } from 'zod'

const shorts = new WeakMap<z.core.$ZodType, z.ZodType>()

/** Notes what may be written in the place of a list or mapping; preprocessing reads it, and the JSON schema has to tell. */
export const withShort = <T extends z.ZodType>(schema: T, short: z.ZodType): T => {
  shorts.set(schema, short)
  return schema
}

/** What may be written in the place of a list or mapping; undefined where nothing is noted. */
export const shortOf = (schema: z.core.$ZodType): z.ZodType | undefined => shorts.get(schema)

/** A single value stands for a list of one; an empty list is refused. */
export const oneOrMore = <T extends z.ZodType>(item: T) =>
  withShort(
    z.preprocess((value) => (Array.isArray(value) ? value : [value]), z.array(item).min(1)),
    item,
  )

/** A file, by its absolute path. */
export const path = z.string().regex(/^\//, { error: 'write an absolute path, such as /etc/balancer/status.password' })

/** What an HTTP request asks for. */
export const urlPath = z.string().regex(/^\/[!-~]*$/, { error: 'write a path that begins with /' })
