// What stands in a force-fail file: the reason, and perhaps a line that says until when it holds.

import { oneLine } from './core/text.ts'

/** The reason on one line, and the end; null for none. */
export type ForceFail = { readonly text: string; readonly until: Date | null }

const maximumText = 200
const untilLine = /^until: (\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{3})?Z)$/

/** Reads the content. A line that is no `until: 2026-01-31T03:00:00Z` belongs to the reason: in doubt the node stays out. */
export const parseForceFail = (content: string): ForceFail => {
  const lines = content.split(/\r?\n/)
  const ends = lines.flatMap((line) => untilLine.exec(line)?.[1] ?? []).map((text) => new Date(text))
  const [end] = ends.filter((date) => Number.isFinite(date.getTime())).sort((a, b) => b.getTime() - a.getTime())
  const text = lines.filter((line) => end === undefined || !untilLine.test(line)).join('\n')
  return { text: oneLine(text, maximumText), until: end ?? null }
}

/** The content for a reason and an end. The reason is cut to what is shown: its end must not get lost behind it. */
export const forceFailText = (reason: string, until: Date | null): string => {
  const line = oneLine(reason, maximumText)
  const said = untilLine.test(line) ? `"${line}"` : line
  return `${said === '' ? '' : `${said}\n`}${until === null ? '' : `until: ${until.toISOString()}\n`}`
}
