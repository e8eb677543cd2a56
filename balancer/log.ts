// The log of one process: JSON lines on standard output, written without ever waiting for the reader.

import { destination, type Logger, pino, stdTimeFunctions } from 'pino'

/** Log lines kept in memory while the reader of standard output is stuck; older ones are dropped beyond it. */
const maximumBacklogBytes = 4 * 1024 * 1024

/** A reader that is stuck must not keep a process from ending. */
const closeLimitMillis = 1000

/** A logger; `close` resolves when the last line is out, or its reader has had a second to take it. */
export type ProcessLog = { readonly log: Logger; readonly close: () => Promise<void> }

/** Opens the log of a process. `role` stands in every line. */
export const openLog = (role: string, level: string): ProcessLog => {
  const output = destination({ fd: 1, sync: false, maxLength: maximumBacklogBytes })
  // A full disk or a reader that went away costs lines of the log, and nothing else.
  let isBroken = false
  output.on('error', () => {
    isBroken = true
  })
  output.on('write', () => {
    isBroken = false
  })
  // pino flushes so after a fatal line and at the exit, and on a full disk that never returns. `close` takes its place.
  output.flushSync = () => {}
  const options = {
    level,
    base: { process: role, pid: process.pid },
    timestamp: stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
  }
  // Not flushSync: it would overtake the lines that are being written at this moment.
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      if (isBroken) {
        resolve()
        return
      }
      const limit = setTimeout(resolve, closeLimitMillis)
      output.once('close', () => {
        clearTimeout(limit)
        resolve()
      })
      output.end()
    })
  return { log: pino(options, output), close }
}
