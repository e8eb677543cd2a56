// Shapes that several parts of the schema share.

import { z } from 'zod'

/** A single value stands for a list of one; an empty list is refused. */
export const oneOrMore = <T extends z.ZodType>(item: T) =>
  z.preprocess((value) => (Array.isArray(value) ? value : [value]), z.array(item).min(1))

/** A file, by its absolute path. */
export const path = z.string().regex(/^\//, { error: 'write an absolute path, such as /etc/balancer/status.password' })

/** What an HTTP request asks for. */
export const urlPath = z.string().regex(/^\/[!-~]*$/, { error: 'write a path that begins with /' })
