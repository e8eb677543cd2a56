// Says what this host ran out of, once in a while for each kind, however many connections fail of it.

import { performance } from 'node:perf_hooks'
import type { Logger } from 'pino'
import { type Shortage, shortageText } from './core/shortage.ts'
import { hostLimits } from './os/host-limits.ts'

/** Called for each connection that came to nothing; `concerned` says whose, such as `clients of mysql`. */
export type ShortageLog = (shortage: Shortage, concerned: string) => void

const quietMillis = 10_000

/** A log with at most one line of each kind in ten seconds; each tells how many connections it stands for. */
export const createShortageLog = (log: Logger): ShortageLog => {
  const said = new Map<Shortage, { readonly at: number; unsaid: number }>()
  return (shortage, concerned) => {
    const last = said.get(shortage)
    const now = performance.now()
    if (last !== undefined && now - last.at < quietMillis) {
      last.unsaid += 1
      return
    }
    const connections = (last?.unsaid ?? 0) + 1
    said.set(shortage, { at: now, unsaid: 0 })
    const text = shortageText(shortage, hostLimits())
    log.error(
      { shortage, connections },
      `This host is short (${connections} connections, ${concerned}): ${text}. No server is blamed for it`,
    )
  }
}
