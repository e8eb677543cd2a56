// Which command somebody means, which ones are near, and how they are listed.

import { distance } from 'fastest-levenshtein'
import { type Level, suffices, unknownCommand } from './command.ts'
import { commands } from './table.ts'

type Row = (typeof commands)[number]

/** A command, and the words that follow it. */
export type Found = { readonly command: Row; readonly rest: readonly string[] }

/** What has the most of the words; `show` alone is `show servers`. */
export const findCommand = (words: readonly string[]): Found | undefined => {
  const [first, ...others] = words
  const meant = first === 'show' && others.every((word) => word === '--json') ? ['show', 'servers', ...others] : words
  const fitting = commands.filter((command) => isBeginning(command.words.split(' '), meant))
  const [command] = fitting.toSorted((one, other) => other.words.length - one.words.length)
  return command === undefined ? undefined : { command, rest: meant.slice(command.words.split(' ').length) }
}

const isBeginning = (beginning: readonly string[], words: readonly string[]): boolean =>
  beginning.every((word, i) => word === words[i])

/** Those that follow whatever is listed. */
const always: ReadonlySet<string> = new Set(['help', 'prompt', 'quit'])
const nameWidth = 40

/** What one who has a level may say: all, or what begins with words. */
export const helpText = (words: readonly string[], level: Level): string => {
  const asked = words.join(' ')
  const valid = commands.filter((command) => suffices(level, command.level) && command.words.startsWith(asked))
  return `The following commands are valid at this level:\n${listed(valid)}`
}

/** The answer to what is no command: the nearest ones, or all. */
export const unknownText = (words: readonly string[], level: Level): string => {
  const known = commands.filter((command) => suffices(level, command.level))
  const near = nearest(words, 0, known)
  return near === undefined
    ? `${unknownCommand}. Please enter one of the following commands only:\n${listed(known)}`
    : `${unknownCommand}: '${words.join(' ')}', but maybe one of the following ones is a better match:\n${listed(near)}`
}

/** Word by word: those that have it, else those that have one like it. Undefined where already the first is like nothing. */
const nearest = (words: readonly string[], at: number, among: readonly Row[]): readonly Row[] | undefined => {
  const word = words[at]
  if (word === undefined || word === '') return at === 0 ? undefined : among
  const wordOf = (command: Row): string => command.words.split(' ')[at] ?? ''
  const same = among.filter((command) => wordOf(command) === word)
  const alike = same.length > 0 ? same : among.filter((command) => isAlike(wordOf(command), word))
  if (alike.length === 0) return at === 0 ? undefined : among
  return nearest(words, at + 1, alike)
}

const mostEdits = 2

const isAlike = (known: string, word: string): boolean =>
  known !== '' && (known.startsWith(word) || distance(known, word) <= Math.min(mostEdits, known.length - 1))

const listed = (some: readonly Row[]): string =>
  [
    ...some.filter(({ words }) => !always.has(words)).toSorted((one, other) => (one.words < other.words ? -1 : 1)),
    ...commands.filter(({ words }) => always.has(words)),
  ]
    .map((command) => `  ${`${command.words} ${command.arguments}`.trimEnd().padEnd(nameWidth)}: ${command.help}`)
    .join('\n')
