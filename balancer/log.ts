// The log of one process: JSON lines on standard output, written without ever waiting for the reader.

import { destination, type Logger, pino, stdTimeFunctions } from 'pino'

/** Log lines kept in memory while the reader of standard output is stuck; older ones are dropped beyond it. */
const maximumBacklogBytes = 4 * 1024 * 1024

/** A logger and the call that writes out what is left, for the end of a process. */
export type ProcessLog = { readonly log: Logger; readonly flush: () => void }

/** Opens the log of a process. `role` stands in every line. */
export const openLog = (role: string, level: string): ProcessLog => {
  const output = destination({ fd: 1, sync: false, maxLength: maximumBacklogBytes })
  const options = {
    level,
    base: { process: role, pid: process.pid },
    timestamp: stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
  }
  const log = pino(options, output)
  return { log, flush: () => output.flushSync() }
}
