// What was thrown, in words: anything can be.

/** The system's name of the error, such as `ENOENT`; the text of one that has none. */
export const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error ? String(error.code) : textOf(error)

/** The text of the error. */
export const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
