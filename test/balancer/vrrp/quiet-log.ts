// A log for tests that keeps its messages.

import { type Logger, pino } from 'pino'

/** A logger, and the messages written to it. */
export const quietLog = (): { readonly log: Logger; readonly messages: () => readonly string[] } => {
  const lines: string[] = []
  const log = pino({ level: 'debug' }, { write: (line: string) => void lines.push(line) })
  return { log, messages: () => lines.map((line): string => JSON.parse(line).msg) }
}
