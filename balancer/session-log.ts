// The logs of sessions and of requests: a line for each that is over, in HAProxy's form or as JSON, at a bounded rate.

import type { Logger } from 'pino'
import { limitLines } from './bounded-log.ts'
import { httplogLine, type RequestRecord, requestMembers } from './core/request-record.ts'
import { millis } from './core/time.ts'
import { calendarOf } from './os/clock.ts'
import { type SessionRecord, sessionMembers, tcplogLine } from './pool/core/session-record.ts'

/** A line: its text and fields for standard output, and all of it in one text for syslog. */
type RecordLine = { readonly text: string; readonly fields: object; readonly plain: string }

/** Notes one that is over. `record` is called at once, or never. */
type RecordLog<Form, Item> = (form: Form | 'off', record: () => Item) => void

/** So many a second are told one by one: beyond that the log would take the time that sessions need. */
const mostSessions = 2000
/** Strangers can ask, and a disk is full soon. */
const mostRequests = 100

/** Makes the log of sessions; `write` gets each line, and `log` how many were left out. */
export const createSessionLog = (
  log: Logger,
  write: (line: RecordLine) => void,
): RecordLog<'tcplog' | 'json', SessionRecord> =>
  createRecordLog(log, write, { most: mostSessions, what: 'sessions ended' }, (form, record) => {
    const { acceptedAt, listener, server, end } = record
    if (form === 'tcplog') return asText(tcplogLine(record, calendarOf(acceptedAt)))
    const session = sessionMembers(record, new Date(acceptedAt).toISOString())
    const text = `Session of ${listener}/${server ?? '<NOSRV>'} ended: ${end}`
    return { text, fields: { session }, plain: JSON.stringify(session) }
  })

/** Makes the log of requests to the status page, in the same way. */
export const createRequestLog = (
  log: Logger,
  write: (line: RecordLine) => void,
): RecordLog<'httplog' | 'json', RequestRecord> =>
  createRecordLog(log, write, { most: mostRequests, what: 'requests came to the status page' }, (form, record) => {
    const { acceptedAt, status, end } = record
    if (form === 'httplog') return asText(httplogLine(record, calendarOf(acceptedAt)))
    const request = requestMembers(record, new Date(acceptedAt).toISOString())
    const text = `Request to the status page: ${status === null ? end : `${status}, ${end}`}`
    return { text, fields: { request }, plain: JSON.stringify(request) }
  })

const asText = (text: string): RecordLine => ({ text, fields: {}, plain: text })

const createRecordLog = <Form, Item>(
  log: Logger,
  write: (line: RecordLine) => void,
  { most, what }: { readonly most: number; readonly what: string },
  lineOf: (form: Form, item: Item) => RecordLine,
): RecordLog<Form, Item> => {
  const limited = limitLines<null>({ lines: most, window: millis(1000) }, ({ count }) => {
    const text = `${count} more ${what} within a second, beyond the ${most} that are logged one by one`
    log.warn({ suppressed: count }, text)
  })
  return (form, record) => {
    if (form === 'off' || !log.isLevelEnabled('info') || !limited.admits('', null)) return
    write(lineOf(form, record()))
  }
}
