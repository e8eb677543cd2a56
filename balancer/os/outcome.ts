// How the edge to the system answers: a value, or a refusal that names the system's error.

/** The result of a system call. `code` is the system's name of the error, `text` a sentence for the operator. */
export type Outcome<T = undefined> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly code: string; readonly text: string }

/** An outcome without a value. */
export const done: Outcome = { ok: true, value: undefined }

/** The first of these that is a refusal; `done` where none is. */
export const firstRefusal = (outcomes: readonly Outcome[]): Outcome => outcomes.find((outcome) => !outcome.ok) ?? done

/** A refusal: what was tried, and what the system said. */
export const refused = (code: string, text: string): Outcome<never> => ({
  ok: false,
  code,
  text,
})
