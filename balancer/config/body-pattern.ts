// Regular expressions that an operator writes and a server's answer is matched against: in time that is linear in the
// answer, so that no answer can keep this process busy (RE2's syntax: no back-references, no looking around).

import { RE2JS } from 're2js'

/** A pattern that can be matched. */
export type BodyPattern = { readonly test: (text: string) => boolean }

/** The pattern, or why it is none. */
export type CompiledPattern =
  | { readonly ok: true; readonly pattern: BodyPattern }
  | { readonly ok: false; readonly reason: string }

/** A longest answer takes about a millisecond for each step of the pattern at worst. */
const maximumSteps = 100

/** Compiles a pattern. Never throws. */
export const compilePattern = (text: string): CompiledPattern => {
  try {
    const compiled = RE2JS.compile(text)
    const steps = compiled.programSize()
    if (steps > maximumSteps) {
      const reason = `it has ${steps} steps, and ${maximumSteps} are allowed: repeat less, a server chooses what is matched`
      return { ok: false, reason }
    }
    return { ok: true, pattern: { test: (body) => compiled.test(body) } }
  } catch (error) {
    const said = error instanceof Error ? error.message.replace(/^error parsing regexp: /, '') : String(error)
    return { ok: false, reason: `${said}; RE2's syntax is known, without look-around and back-references` }
  }
}
