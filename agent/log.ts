// The log: JSON lines on stdout, and the rules for what is written how often.

import { performance } from 'node:perf_hooks'
import { type DestinationStream, type Logger, pino } from 'pino'
import type { HealthReport } from '../shared/health-report.ts'
import type { LogConfig } from './config/schema.ts'
import { reasonLine } from './server/core/bodies.ts'

/** The log and the means to empty its buffer before the process ends. */
export type Log = { readonly logger: Logger; readonly flush: () => void }

/** A reader of our stdout that hangs must not hang the checks: beyond this many bytes lines are dropped. */
const maximumBufferedBytes = 1_048_576

/** Opens the log on stdout. Writes do not block. */
export const openLog = ({ level }: LogConfig): Log => {
  const destination = pino.destination({ dest: 1, sync: false, maxLength: maximumBufferedBytes })
  const stream: DestinationStream = destination
  return {
    logger: pino({ name: 'mysqlchk-agent', level, timestamp: pino.stdTimeFunctions.isoTime }, stream),
    flush: () => destination.flushSync(),
  }
}

/** Writes a change of the node's state or of its reason once, in the words that operators search for. */
export const createStateLog = (logger: Logger): ((report: HealthReport) => void) => {
  let last: string | null = null
  return (report) => {
    const { verdict, reason, certainty, mode, role, facts } = report
    if (last === reason.code) return
    last = reason.code
    const fields = { reason: reason.code, certainty, mode, role, facts }
    if (verdict === 'pass') logger.info(fields, 'Node is UP')
    else logger.warn(fields, `Node is DOWN, reason: ${reasonLine(report)}`)
  }
}

/** Counts what happens at the network's will, and writes a line per reason at most every ten seconds. */
export type IncidentLog = (reason: string, fields: Readonly<Record<string, unknown>>) => void

const incidentPeriodMillis = 10_000

/** The counts start at zero; each line carries the total of its reason. */
export const createIncidentLog = (logger: Logger): IncidentLog => {
  const seen = new Map<string, { total: number; writtenAt: number }>()
  return (reason, fields) => {
    const entry = seen.get(reason) ?? { total: 0, writtenAt: Number.NEGATIVE_INFINITY }
    entry.total += 1
    seen.set(reason, entry)
    const now = performance.now()
    if (now - entry.writtenAt < incidentPeriodMillis) return
    entry.writtenAt = now
    logger.warn({ reason, total: entry.total, ...fields }, `Client refused, reason: ${reason}`)
  }
}
