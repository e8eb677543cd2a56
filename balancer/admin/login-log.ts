// The log of refused logins: who tried, at a bounded rate.

import type { Logger } from 'pino'

/** Notes a login that was refused: a wrong password, or one that was not even looked at among too many. */
export type LoginLog = {
  readonly refused: (verdict: 'wrong' | 'busy', source: string, user: string) => void
  readonly stop: () => void
}

const words = { wrong: 'wrong password', busy: 'too many logins, so that the password was not looked at,' } as const

const quietMillis = 10_000
const longestName = 64

/** The first refused login is told at once, those that follow within ten seconds as one line after that. */
export const createLoginLog = (log: Logger, quiet = quietMillis): LoginLog => {
  let more = 0
  let last = { source: '', user: '' }
  let timer: NodeJS.Timeout | undefined
  const tell = (): void => {
    timer = undefined
    if (more === 0) return
    const text = `Status page: ${more} more refused logins, the last from ${last.source} for user "${last.user}"`
    log.warn({ ...last, count: more }, text)
    more = 0
    timer = setTimeout(tell, quiet)
  }
  return {
    refused: (verdict, source, given) => {
      // It is text of a stranger, and may be the password in the wrong field of somebody in a hurry: no more than a name.
      const user = given.slice(0, longestName).replace(/\p{C}/gu, '?')
      last = { source, user }
      if (timer !== undefined) {
        more += 1
        return
      }
      log.warn({ source, user }, `Status page: ${words[verdict]} from ${source} for user "${user}"`)
      timer = setTimeout(tell, quiet)
    },
    stop: () => clearTimeout(timer),
  }
}
