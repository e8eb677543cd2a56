// The log of refused logins: who tried, at a bounded rate.

import type { Logger } from 'pino'
import { createBoundedLog } from '../../bounded-log.ts'
import { oneLine } from '../../core/text.ts'

/** Notes a login that was refused: a wrong password, or one that was not even looked at among too many. */
export type LoginLog = (verdict: 'wrong' | 'busy', source: string, user: string) => void

const words = { wrong: 'wrong password', busy: 'too many logins, so that the password was not looked at,' } as const

const longestName = 64

/** A log that tells the first refused login at once, and those of the ten seconds after it as one. */
export const createLoginLog = (log: Logger): LoginLog => {
  const bounded = createBoundedLog(log, { lines: 1 })
  return (verdict, source, given) => {
    // It is text of a stranger, and may be the password in the wrong field of somebody in a hurry: no more than a name.
    const user = oneLine(given, longestName)
    bounded('warn', 'login', { source, user }, `Status page: ${words[verdict]} from ${source} for user "${user}"`)
  }
}
