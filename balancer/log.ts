// The log of one process: JSON lines on standard output, written without ever waiting for the reader, and syslog beside it.

import { isDeepStrictEqual } from 'node:util'
import { destination, type Logger, pino, stdTimeFunctions } from 'pino'
import { createBoundedLog, limitLines } from './bounded-log.ts'
import type { LogConfig } from './config/log-schema.ts'
import type { RequestRecord } from './core/request-record.ts'
import { type LogLevel, logLevels } from './core/syslog.ts'
import { printableJson } from './core/text.ts'
import { millis } from './core/time.ts'
import { callExit } from './os/libc.ts'
import type { SessionRecord } from './pool/core/session-record.ts'
import { createRequestLog, createSessionLog } from './session-log.ts'
import { openSyslog, type Syslog, type SyslogTrouble } from './syslog.ts'

/** Log lines kept in memory while the reader of standard output is stuck; older ones are dropped beyond it. */
const maximumBacklogBytes = 4 * 1024 * 1024

/** A reader that is stuck must not keep a process from ending. */
const closeLimitMillis = 1000

/** The same line again and again: so many within so long, then one that says how often more. */
const repetition = { lines: 10, window: millis(10_000) }

/**
 * A logger. `configure` has it follow another configuration from now on; `exit` ends the process when the last line is out, or
 * its reader has had a second to take it.
 */
export type ProcessLog = {
  readonly log: Logger
  readonly configure: (config: LogConfig) => void
  /** Notes a session that has ended, where that is wanted; `record` is called at once, or never. Of any datapath. */
  readonly session: (record: () => SessionRecord) => void
  /** The same of a request to the status page. */
  readonly request: (record: () => RequestRecord) => void
  readonly exit: (code: number) => Promise<never>
  /** From now on this is told why the receiver of syslog takes no lines, and null when it does. */
  readonly onSyslogTrouble: (hear: (text: string | null) => void) => void
}

/** Opens the log of a process, on standard output alone. `role` stands in every line. */
export const openLog = (role: string): ProcessLog => {
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
    level: 'info',
    base: { process: role, pid: process.pid },
    timestamp: stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
  }
  const print = (line: string): void => {
    const text = printableJson(line)
    try {
      output.write(text)
    } catch {
      // It is closed, or closes: what is said after the last line is lost, and must not look like one more failure.
    }
  }
  let syslog: Syslog | null = null
  let running: LogConfig | null = null
  const log = pino(
    {
      ...options,
      hooks: {
        logMethod(args, method, value) {
          const line = { level: levelOf(value), text: textOf(args) }
          if (line.level !== 'fatal' && !repeated.admits(`${line.level} ${line.text}`, line)) return
          method.apply(this, args)
          syslog?.write({ ...line, kind: role })
        },
      },
    },
    { write: print },
  )
  const repeated = limitLines<Repeated>(repetition, ({ line: { level, text }, count }) =>
    log[level]({ suppressed: count }, `${text} (said ${count} more times)`),
  )
  const unlimited = pino(options, { write: print })
  // What is to be said of syslog does not go there.
  const sayOfSyslog = createBoundedLog(unlimited, { lines: 1 })
  let hearTrouble: ((text: string | null) => void) | null = null
  let lastTrouble: string | null = null
  const tellTrouble = (text: string | null): void => {
    lastTrouble = text
    hearTrouble?.(text)
  }
  const onTrouble = (trouble: SyslogTrouble): void => {
    const { is, receiver } = trouble
    if (is === 'lost') {
      const text = `The syslog receiver ${receiver} does not take lines of the log (${trouble.why})`
      sayOfSyslog('error', is, { receiver, code: trouble.why }, `${text}; they are here`)
      tellTrouble(`${text}; they are in the journal alone`)
    } else {
      tellTrouble(null)
      log.info(trouble, `The syslog receiver ${receiver} takes lines again; ${trouble.lost} did not arrive there`)
    }
  }
  const configure = (next: LogConfig): void => {
    log.level = next.level
    if (!isSameSyslog(running, next)) {
      syslog?.close()
      tellTrouble(null)
      syslog = next.syslog === undefined ? null : openSyslog({ ...next, syslog: next.syslog }, onTrouble)
    }
    running = next
  }
  const sessions = createSessionLog(log, ({ text, fields, plain }) => {
    unlimited.info(fields, text)
    syslog?.write({ level: 'info', kind: 'session', text: plain })
  })
  const requests = createRequestLog(log, ({ text, fields, plain }) => {
    unlimited.info(fields, text)
    syslog?.write({ level: 'info', kind: 'request', text: plain })
  })
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
  const end = async (code: number): Promise<never> => {
    repeated.end()
    // An ordinary exit waits for the thread that writes, and that one waits for a reader that may never come.
    if ((await close()) === 'stuck') callExit(code)
    return process.exit(code)
  }
  let ending: Promise<never> | null = null
  const exit = (code: number): Promise<never> => {
    ending ??= end(code)
    return ending
  }
  return {
    log,
    configure,
    session: (record) => sessions(running?.sessions ?? 'off', record),
    request: (record) => requests(running?.requests ?? 'off', record),
    exit,
    onSyslogTrouble: (hear) => {
      hearTrouble = hear
      hear(lastTrouble)
    },
  }
}

type Repeated = { readonly level: LogLevel; readonly text: string }

const levelOf = (value: number): LogLevel => logLevels.find((level) => pino.levels.values[level] === value) ?? 'info'

/** The text of a call of the log, and of an error its message: syslog has no fields. */
const textOf = ([first, second]: readonly unknown[]): string => {
  const error = first instanceof Error ? first : errorIn(first)
  const text = [first, second].find((one) => typeof one === 'string')
  return [text, error?.message].filter((part) => part !== undefined).join(': ')
}
const errorIn = (fields: unknown): Error | undefined => {
  const found: unknown = typeof fields === 'object' && fields !== null ? Reflect.get(fields, 'err') : undefined
  return found instanceof Error ? found : undefined
}

const isSameSyslog = (one: LogConfig | null, other: LogConfig): boolean =>
  one !== null && (['syslog', 'format', 'facility'] as const).every((key) => isDeepStrictEqual(one[key], other[key]))
