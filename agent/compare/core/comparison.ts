// Two answers side by side: what a checker makes of each, and whether that is the same.

import { oneLine } from '../../core/text.ts'

/** What came back. `end`: how the connection ended. */
export type Heard = { readonly text: string; readonly end: 'closed' | 'reset' | 'still open' }

/** One request with both answers. */
export type Compared = { readonly name: string; readonly script: Heard; readonly agent: Heard }

const shownLength = 60

/** The status and the first line with words behind the header, such as `200 MySQL is running.` */
export const gistOf = ({ text, end }: Heard): string => {
  const status = statusOf(text)
  const words = wordsOf(text)
  const said = [status, oneLine(words.replace(/<[^>]*>/g, ''), shownLength)].filter((part) => part !== '').join(' ')
  const how = end === 'closed' ? '' : ` (${end})`
  return `${said === '' ? 'no answer' : said}${how}`
}

/** The status code, or nothing where there is no status line. */
const statusOf = (text: string): string => /^HTTP\/\d\.\d (\d{3})/.exec(text)?.[1] ?? ''

/** The first line behind the header. The classic script's header has an empty line in its middle. */
const wordsOf = (text: string): string => {
  const body = text.replace(/^HTTP\/\d\.\d[\s\S]*?\r?\n\s*\r?\n(?:Content-[^\n]*\n\s*\n)*/i, '')
  return body.split('\n').find((line) => line.trim() !== '') ?? ''
}

/** Whether a reset may have cut off the words of an answer. */
export const isCutShort = ({ text, end }: Heard): boolean => end === 'reset' && wordsOf(text) === ''

/**
 * Whether a checker that looks at the status, or at the word for a running server, sees the same. HEAD has no body with the
 * agent.
 */
export const agree = ({ script, agent }: Compared): boolean =>
  statusOf(script.text) === statusOf(agent.text) &&
  (isGood(script.text) === isGood(agent.text) || (statusOf(agent.text) !== '' && wordsOf(agent.text) === ''))

const isGood = (text: string): boolean => /is running|is synced/.test(text)

/** A table of all, with a mark where they differ. */
export const comparisonTable = (all: readonly Compared[]): string => {
  const rows = [
    ['request', 'script', 'agent', ''],
    ...all.map((one) => [one.name, gistOf(one.script), gistOf(one.agent), agree(one) ? '' : '<- differs']),
  ]
  const widths = rows[0]?.map((_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0))) ?? []
  return rows
    .map(
      (row) =>
        `${row
          .map((cell, i) => cell.padEnd(widths[i] ?? 0))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('')
}
