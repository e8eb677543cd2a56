// Answers from flags, from a terminal, or from what was found on the host.

import { createInterface } from 'node:readline'
import { FailedStart } from '../../core/failed-start.ts'
import type { Question } from './answers.ts'

/** Where answers come from. */
export type Asker = {
  /** From its flag; else from the terminal, where each wrong answer is asked for again; else `fallback`, if there is one. */
  readonly answer: <T>(question: Question<T>, fallback: string | undefined) => Promise<T>
  /** A question with yes or no; without a terminal it is no. */
  readonly confirm: (words: string) => Promise<boolean>
  readonly close: () => void
}

/** What the flags said, by their names. */
export type Flags = Readonly<Record<string, string | undefined>>

/** What is wrong with the flags, one line for each. */
export const flagProblems = (questions: readonly Question<unknown>[], flags: Flags): readonly string[] =>
  questions.flatMap(({ flag, read }) => {
    const given = flags[flag]
    const answer = given === undefined ? undefined : read(given)
    return answer === undefined || answer.ok ? [] : [`--${flag} "${given}": ${answer.text}`]
  })

/** Begins to ask. The flags have been found right by `flagProblems`. */
export const openAsker = (flags: Flags, isInteractive: boolean): Asker => {
  const lines = isInteractive ? createInterface({ input: process.stdin, output: process.stdout }) : null
  /** What was pasted before it was asked for is an answer too. */
  const said: string[] = []
  let isLeft = false
  let onLine = (): void => {}
  lines?.on('line', (line) => {
    said.push(line.trim())
    onLine()
  })
  // Ctrl-C
  lines?.once('SIGINT', () => lines.close())
  lines?.once('close', () => {
    isLeft = true
    onLine()
  })
  const ask = async (words: string): Promise<string> => {
    lines?.setPrompt(words)
    lines?.prompt()
    while (said.length === 0 && !isLeft) {
      await new Promise<void>((resolve) => {
        onLine = resolve
      })
    }
    const line = said.shift()
    if (line === undefined) throw new FailedStart('no more answers; nothing was written')
    return line
  }
  const answer = async <T>({ flag, words, read }: Question<T>, fallback: string | undefined): Promise<T> => {
    const given = flags[flag] ?? (lines === null ? fallback : undefined)
    if (given !== undefined) {
      const settled = read(given)
      if (settled.ok) return settled.value
      throw new FailedStart(`--${flag} "${given}": ${settled.text}`)
    }
    if (lines === null) throw new FailedStart(`--${flag} is missing, and there is no terminal to ask on: ${words}`)
    for (;;) {
      const line = (await ask(`${words}${fallback === undefined ? '' : ` [${fallback}]`}: `)) || (fallback ?? '')
      const settled = read(line)
      if (settled.ok) return settled.value
      process.stdout.write(`  "${line}": ${settled.text}\n`)
    }
  }
  return {
    answer,
    confirm: async (words) => lines !== null && /^y(es)?$/i.test(await ask(`${words} [no]: `)),
    close: () => lines?.close(),
  }
}
