// Says what this host ran out of, once in a while for each kind, however many connections fail of it.

import type { Logger } from 'pino'
import { createBoundedLog } from './bounded-log.ts'
import { type Shortage, shortageText } from './core/shortage.ts'
import { hostLimits } from './os/host-limits.ts'

/** Called for each connection that came to nothing; `concerned` says whose, such as `clients of mysql`. */
export type ShortageLog = (shortage: Shortage, concerned: string) => void

/** A log of the shortages of this host. */
export const createShortageLog = (log: Logger): ShortageLog => {
  const bounded = createBoundedLog(log, { lines: 1 })
  return (shortage, concerned) =>
    bounded(
      'error',
      shortage,
      { shortage },
      () => `This host is short (${concerned}): ${shortageText(shortage, hostLimits())}. No server is blamed for it`,
    )
}
