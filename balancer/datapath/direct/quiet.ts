// When nobody comes any more.

import { performance } from 'node:perf_hooks'
import { setTimeout as wait } from 'node:timers/promises'

/** Clients with an old ARP entry send their frames here when the address has left: until none came for a while, or so long. */
const [quietMillis, longestGrace] = [300, 2000]

/** Resolves when what is counted has not changed for a while, or has changed for too long. */
export const untilQuiet = async (count: () => Promise<number>): Promise<void> => {
  const last = performance.now() + longestGrace
  let before = -1
  for (;;) {
    const now = await count()
    if (now === before || performance.now() > last) return
    before = now
    await wait(quietMillis)
  }
}
