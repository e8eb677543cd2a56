// The session log: a line for each session that has ended, as HAProxy's tcplog or as JSON, at a bounded rate.

import type { Logger } from 'pino'
import { limitLines } from './bounded-log.ts'
import type { LogConfig } from './config/log-schema.ts'
import { millis } from './core/time.ts'
import { calendarOf } from './os/clock.ts'
import { type SessionRecord, sessionMembers, tcplogLine } from './pool/core/session-record.ts'

/** A line: its text and fields for standard output, and all of it in one text for syslog. */
type SessionLine = { readonly text: string; readonly fields: object; readonly plain: string }

/** So many sessions a second are told one by one: beyond that the log would take the time that sessions need. */
const bound = { lines: 2000, window: millis(1000) }

/** Makes the log; `write` gets each line, and `log` how many were left out. */
export const createSessionLog = (log: Logger, write: (line: SessionLine) => void) => {
  const limited = limitLines<null>(bound, ({ count }) => {
    const text = `${count} more sessions ended within a second, beyond the ${bound.lines} that are logged one by one`
    log.warn({ suppressed: count }, text)
  })
  return (form: LogConfig['sessions'], record: () => SessionRecord): void => {
    if (form === 'off' || !log.isLevelEnabled('info') || !limited.admits('session', null)) return
    write(lineOf(form, record()))
  }
}

const lineOf = (form: 'tcplog' | 'json', record: SessionRecord): SessionLine => {
  const { acceptedAt, listener, server, end } = record
  if (form === 'tcplog') {
    const text = tcplogLine(record, calendarOf(acceptedAt))
    return { text, fields: {}, plain: text }
  }
  const session = sessionMembers(record, new Date(acceptedAt).toISOString())
  const text = `Session of ${listener}/${server ?? '<NOSRV>'} ended: ${end}`
  return { text, fields: { session }, plain: JSON.stringify(session) }
}
