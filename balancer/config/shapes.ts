// Shapes that several parts of the schema share.

import * as z from 'zod'

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
    z.preprocess(
      (value) => (Array.isArray(value) ? value : [value]),
      z.array(item).min(1, { error: 'name at least one' }),
    ),
    item,
  )

/** A file, by its absolute path. */
export const path = z
  .string()
  .regex(/^\/[^\0]*$/, { error: 'write an absolute path, such as /etc/balancer/status.password' })

/** What an HTTP request asks for. */
export const urlPath = z.string().regex(/^\/[!-~]*$/, { error: 'write a path that begins with /' })

/** Headers that belong to the connection, not to the message. */
const connectionHeaders = /^(connection|content-length|expect|keep-alive|te|transfer-encoding|upgrade)$/i

/** The name of a header of a request. */
export const headerName = z
  .string()
  .regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}$/, { error: 'a header name is letters, digits and -' })
  .refine((name) => !connectionHeaders.test(name), { error: 'the balancer sets this header itself; remove it' })

/** Headers of a request, with their values. */
export const headers = z
  .record(
    headerName,
    z.string().regex(/^[\t -~]{0,1024}$/, { error: 'a header is up to 1024 printable ASCII characters' }),
  )
  .default({})
