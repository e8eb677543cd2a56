// The log of wrong passwords: who tried, at a bounded rate.

import type { Logger } from 'pino'

/** Notes a wrong password for a name. */
export type LoginLog = { readonly wrong: (source: string, user: string) => void; readonly stop: () => void }

const quietMillis = 10_000
const longestName = 64

/** The first wrong password is told at once, those that follow within ten seconds as one line after that. */
export const createLoginLog = (log: Logger, quiet = quietMillis): LoginLog => {
  let more = 0
  let last = { source: '', user: '' }
  let timer: NodeJS.Timeout | undefined
  const tell = (): void => {
    timer = undefined
    if (more === 0) return
    const text = `Status page: ${more} more wrong passwords, the last from ${last.source} for user "${last.user}"`
    log.warn({ ...last, count: more }, text)
    more = 0
    timer = setTimeout(tell, quiet)
  }
  return {
    wrong: (source, given) => {
      // It is text of a stranger, and may be the password in the wrong field of somebody in a hurry: no more than a name.
      const user = given.slice(0, longestName).replace(/\p{C}/gu, '?')
      last = { source, user }
      if (timer !== undefined) {
        more += 1
        return
      }
      log.warn({ source, user }, `Status page: wrong password from ${source} for user "${user}"`)
      timer = setTimeout(tell, quiet)
    },
    stop: () => clearTimeout(timer),
  }
}
