// What a line of the log looks like in syslog: RFC 5424, and the older form of RFC 3164.

import { type Calendar, syslogTime } from './calendar.ts'
import { oneLine } from './text.ts'

/** Facilities by their number (RFC 5424 section 6.2.1), in the words of syslog.conf and of HAProxy; null: of no use here. */
const numbered = [
  'kern',
  'user',
  'mail',
  'daemon',
  'auth',
  'syslog',
  'lpr',
  'news',
  'uucp',
  'cron',
  'authpriv',
  'ftp',
  null,
  null,
  null,
  null,
  'local0',
  'local1',
  'local2',
  'local3',
  'local4',
  'local5',
  'local6',
  'local7',
] as const

/** The word for a facility. */
export type Facility = NonNullable<(typeof numbered)[number]>
export const facilities = numbered.filter((word) => word !== null)

/** `rfc3164` is what every receiver reads, `rfc5424` has milliseconds, the time zone and the name of the process. */
export const syslogFormats = ['rfc3164', 'rfc5424'] as const
export type SyslogFormat = (typeof syslogFormats)[number]

/** The levels of this log, the gravest first. */
export const logLevels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace'] as const
export type LogLevel = (typeof logLevels)[number]

const severities: Readonly<Record<LogLevel, number>> = { fatal: 2, error: 3, warn: 4, info: 6, debug: 7, trace: 7 }

/**
 * One line: when (`at` local time, `iso` the same moment as ISO 8601), who says it, and what. `name` is the program (TAG,
 * APP-NAME), `kind` what sort of line it is (MSGID of RFC 5424).
 */
export type SyslogLine = {
  readonly level: LogLevel
  readonly at: Calendar
  readonly iso: string
  readonly name: string
  readonly pid: number
  readonly kind: string
  readonly text: string
}

/** How lines are written. To a socket of this host (`isLocal`) RFC 3164 goes without its name, as from syslog(3). */
export type SyslogStyle = {
  readonly format: SyslogFormat
  readonly facility: Facility
  readonly host: string
  readonly isLocal: boolean
}

/** Bytes: RFC 3164 section 4.1 allows 1024; RFC 5424 section 6.1 has receivers take 2048. */
const longest: Readonly<Record<SyslogFormat, number>> = { rfc3164: 1024, rfc5424: 2048 }

/** The message: one line of printable text, cut where the format ends. */
export const syslogMessage = ({ format, facility, host, isLocal }: SyslogStyle, line: SyslogLine): string => {
  const { level, at, iso, name, pid, kind, text } = line
  const priority = `<${numbered.indexOf(facility) * 8 + severities[level]}>`
  // No structured data, and no byte order mark before the text: rsyslog writes that down as if it were text.
  const head =
    format === 'rfc5424'
      ? `${priority}1 ${iso} ${host || '-'} ${name} ${pid} ${kind} - `
      : `${priority}${syslogTime(at)} ${isLocal ? '' : `${host} `}${name}[${pid}]: `
  return withinBytes(head + oneLine(text, longest[format]), longest[format])
}

const encoder = new TextEncoder()
const decoder = new TextDecoder()
const ellipsis = '…'

/** The text, cut between two characters where it has more bytes (UTF-8) than that. */
const withinBytes = (text: string, most: number): string => {
  const bytes = encoder.encode(text)
  if (bytes.length <= most) return text
  let end = most - encoder.encode(ellipsis).length
  // A byte 10xxxxxx goes on with a character.
  while (((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1
  return decoder.decode(bytes.subarray(0, end)) + ellipsis
}
