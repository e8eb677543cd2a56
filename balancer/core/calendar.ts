// A moment as this host's wall clock and calendar have it, in the forms that logs write.

/** The parts of a moment in local time; `month` 1 to 12. */
export type Calendar = {
  readonly year: number
  readonly month: number
  readonly day: number
  readonly hour: number
  readonly minute: number
  readonly second: number
  readonly millisecond: number
}

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'] as const

const digits = (value: number, count = 2): string => `${value}`.padStart(count, '0')
const clock = ({ hour, minute, second }: Calendar): string => `${digits(hour)}:${digits(minute)}:${digits(second)}`

/** `Nov  9 08:28:05` (RFC 3164 section 4.1.2). */
export const syslogTime = (at: Calendar): string =>
  `${months[at.month - 1]} ${`${at.day}`.padStart(2, ' ')} ${clock(at)}`

/** `06/Feb/2009:12:12:51.443`, as HAProxy has it (`%t`). */
export const sessionTime = (at: Calendar): string =>
  `${digits(at.day)}/${months[at.month - 1]}/${at.year}:${clock(at)}.${digits(at.millisecond, 3)}`
