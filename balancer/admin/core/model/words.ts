// How a member of the status document is described: every one has its words, and one that may be null says when.

import * as z from 'zod'

/** A whole number of things. */
export const count = z.int().nonnegative()
/** Milliseconds. */
export const milliseconds = z.number()

/** A member that may be null: its words, and when it is. */
export const orNull = <T extends z.ZodType>(schema: T, words: string, when: string) =>
  schema.nullable().describe(`${words}; null ${when}`)

const momentMembers = {
  at: z.string().describe('The moment, UTC, ISO 8601 with milliseconds'),
  ago_ms: milliseconds.describe('How long ago that was when the document was made, milliseconds'),
}

/** A moment, for people and for arithmetic, with what else is known of it. */
export const momentWith = <T extends z.ZodRawShape>(more: T) => z.object({ ...momentMembers, ...more })
/** A moment alone. */
export const moment = z.object(momentMembers)

/** Counts by reason. */
export const counts = z.record(z.string(), count.describe('How often'))

/** The document is read, never changed. */
export type Frozen<T> = T extends readonly (infer Item)[]
  ? readonly Frozen<Item>[]
  : T extends object
    ? { readonly [Key in keyof T]: Frozen<T[Key]> }
    : T
