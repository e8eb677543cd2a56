// The log: JSON lines on stdout, and the rules for what is written how often.

import { performance } from 'node:perf_hooks'
import { type DestinationStream, type Logger, pino } from 'pino'
import type { HealthReport } from '../shared/health-report.ts'
import type { LogConfig } from './config/schema.ts'
import type { Probe } from './probe/core/facts.ts'
import { serverWords } from './probe/core/server-words.ts'
import { reasonLine } from './server/core/bodies.ts'

/** The log; `close` resolves when the last line is out, or its reader has had a second to take it. */
export type Log = { readonly logger: Logger; readonly close: () => Promise<void> }

/** A reader that is stuck must not keep the agent from ending. */
const closeLimitMillis = 1000

/** A reader of our stdout that hangs must not hang the checks: beyond this many bytes lines are dropped. */
const maximumBufferedBytes = 1_048_576

/** Opens the log on stdout. Writes do not block. */
export const openLog = ({ level }: LogConfig): Log => {
  const destination = pino.destination({ dest: 1, sync: false, maxLength: maximumBufferedBytes })
  const stream: DestinationStream = destination
  // A full disk or a reader that went away costs lines of the log, and nothing else.
  let isBroken = false
  destination.on('error', () => {
    isBroken = true
  })
  destination.on('write', () => {
    isBroken = false
  })
  // pino flushes so after a fatal line and at the exit: it overtakes lines on their way, and never returns on a full disk.
  destination.flushSync = () => {}
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      if (isBroken) {
        resolve()
        return
      }
      const limit = setTimeout(resolve, closeLimitMillis)
      destination.once('close', () => {
        clearTimeout(limit)
        resolve()
      })
      destination.end()
    })
  return { logger: pino({ name: 'mysqlchk-agent', level, timestamp: pino.stdTimeFunctions.isoTime }, stream), close }
}

/**
 * Writes a change of the node's state or of its reason once, in the words that operators search for, and changes of the mode
 * and of what is noticed beside. Tells whether the report was such a change.
 */
export const createStateLog = (logger: Logger): ((report: HealthReport) => boolean) => {
  let last: string | null = null
  let lastMode: HealthReport['mode'] = null
  let lastNotice = ''
  return (report) => {
    const { verdict, reason, certainty, mode, role, facts } = report
    const fields = { reason: reason.code, certainty, mode, role, facts }
    if (mode !== null && lastMode !== null && mode !== lastMode) {
      logger.warn(fields, `The server is of another kind now: ${mode}, before: ${lastMode}`)
    }
    lastMode = mode ?? lastMode
    // Times go on, and are no news.
    const notice = String(facts['notice'] ?? '').replace(/\d+ s\b/g, '')
    const hasNotice = verdict === 'pass' && notice !== '' && notice !== lastNotice
    if (verdict === 'pass') lastNotice = notice
    if (last === reason.code && !hasNotice) return false
    last = reason.code
    if (hasNotice) logger.warn(fields, `Node is UP, notice: ${reason.text}`)
    else if (verdict === 'pass') logger.info(fields, 'Node is UP')
    else logger.warn(fields, `Node is DOWN, reason: ${reasonLine(report)}`)
    return true
  }
}

/** Of one thing the server is quoted this often, and of all together no more. */
const quoteMillis = 10_000
const maximumQuotes = 6

/** Writes what the server said in its own words, where it is new, at a bounded rate. */
export const createServerWordsLog = (logger: Logger): ((probe: Probe) => void) => {
  let known = new Map<string, { readonly said: string; readonly at: number }>()
  let window = { beganAt: Number.NEGATIVE_INFINITY, lines: 0 }
  return ({ outcome }) => {
    const now = performance.now()
    if (now - window.beganAt >= quoteMillis) window = { beganAt: now, lines: 0 }
    const next = new Map<string, { readonly said: string; readonly at: number }>()
    for (const { about, said } of serverWords(outcome)) {
      const before = known.get(about)
      if (before !== undefined && (before.said === said || now - before.at < quoteMillis)) {
        next.set(about, before)
      } else if (window.lines < maximumQuotes) {
        window.lines += 1
        next.set(about, { said, at: now })
        logger.warn({ about, said }, `The server said of ${about}: ${said}`)
      }
    }
    known = next
  }
}

/** Counts what happens at the network's will, and writes it at a bounded rate; `source` is the peer's address. */
export type IncidentLog = (reason: string, fields: { readonly source?: string; readonly error?: string }) => void

/** The same peer with the same reason is one line in this time. */
const quietMillis = 60_000
/** And all peers together write this many lines in that time. */
const linesMillis = 10_000
const maximumLines = 20
const rememberedPeers = 1000

/** The counts start at zero; each line carries the total of its reason and the lines that were left out before it. */
export const createIncidentLog = (logger: Logger): IncidentLog => {
  const totals = new Map<string, number>()
  const quietUntil = new Map<string, number>()
  let window = { beganAt: Number.NEGATIVE_INFINITY, lines: 0 }
  let leftOut = 0
  return (reason, fields) => {
    const total = (totals.get(reason) ?? 0) + 1
    totals.set(reason, total)
    const now = performance.now()
    if (now - window.beganAt >= linesMillis) window = { beganAt: now, lines: 0 }
    const peer = `${reason} ${fields.source ?? ''}`
    if (now < (quietUntil.get(peer) ?? 0) || window.lines >= maximumLines) {
      leftOut += 1
      return
    }
    if (quietUntil.size >= rememberedPeers) quietUntil.clear()
    quietUntil.set(peer, now + quietMillis)
    window.lines += 1
    logger.warn({ reason, total, left_out: leftOut, ...fields }, `Client refused, reason: ${reason}`)
    leftOut = 0
  }
}
