// The log part of balancer.yaml, every key with its range and default.

import { isDeepStrictEqual } from 'node:util'
import * as z from 'zod'
import { facilities, logLevels, syslogFormats } from '../core/syslog.ts'
import { syslogReceiver } from './endpoint-values.ts'

/** The key `log`. */
export const logSchema = z
  .strictObject({
    level: z.enum(logLevels).default('info'),
    syslog: syslogReceiver.optional(),
    format: z.enum(syslogFormats).default('rfc3164'),
    facility: z.enum(facilities).default('local0'),
    sessions: z.enum(['off', 'tcplog', 'json']).default('off'),
    requests: z.enum(['off', 'httplog', 'json']).default('off'),
  })
  .prefault({})

/** What is logged, and where beside standard output. */
export type LogConfig = z.output<typeof logSchema>

/** What a reload changes in the log, for the operator who asked for it. */
export const describeLogChanges = (before: LogConfig, after: LogConfig): readonly string[] => {
  const keys = (['level', 'syslog', 'format', 'facility', 'sessions', 'requests'] as const).filter(
    (key) => !isDeepStrictEqual(before[key], after[key]),
  )
  return keys.length === 0 ? [] : [`log: changed ${keys.join(', ')}`]
}
