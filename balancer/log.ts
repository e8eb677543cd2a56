// The log of one process: JSON lines on standard output, written without ever waiting for the reader.

import { destination, type Logger, pino, stdTimeFunctions } from 'pino'
import { callExit } from './os/libc.ts'

/** Log lines kept in memory while the reader of standard output is stuck; older ones are dropped beyond it. */
const maximumBacklogBytes = 4 * 1024 * 1024

/** A reader that is stuck must not keep a process from ending. */
const closeLimitMillis = 1000

/** A logger; `exit` ends the process when the last line is out, or its reader has had a second to take it. */
export type ProcessLog = { readonly log: Logger; readonly exit: (code: number) => Promise<never> }

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
  const close = (): Promise<'closed' | 'stuck'> =>
    new Promise((resolve) => {
      if (isBroken) {
        resolve('closed')
        return
      }
      const limit = setTimeout(() => resolve('stuck'), closeLimitMillis)
      output.once('close', () => {
        clearTimeout(limit)
        resolve('closed')
      })
      output.end()
    })
  // What is said after the last line is lost, and must not throw where native code calls.
  output.once('close', () => {
    output.write = () => true
  })
  const end = async (code: number): Promise<never> => {
    // An ordinary exit waits for the thread that writes, and that one waits for a reader that may never come.
    if ((await close()) === 'stuck') callExit(code)
    return process.exit(code)
  }
  let ending: Promise<never> | null = null
  const exit = (code: number): Promise<never> => {
    ending ??= end(code)
    return ending
  }
  return { log: pino(options, output), exit }
}
