// The scheduling of this process: what announces the address must not wait behind what moves the bytes.

import { getPriority, setPriority } from 'node:os'
import { words } from './host-order.ts'
import { callSetScheduler, lastError } from './libc.ts'
import { type Outcome, refused } from './outcome.ts'

const thisThread = 0
/** SCHED_RR; with SCHED_RESET_ON_FORK, scripts that this process starts are ordinary ones. */
const roundRobin = 2 | 0x40000000
/** 1 to 99; above ordinary work, below the kernel's own threads. */
const realTimePriority = 10
const highestNice = -20
const ordinary = 0
const usualNice = getPriority()

/** Puts the calling thread before all ordinary work: real-time scheduling (sched(7)), else the best nice value. */
export const raiseScheduling = (): Outcome<'SCHED_RR' | 'nice'> => {
  if (callSetScheduler(thisThread, roundRobin, words(realTimePriority)) === 0) return { ok: true, value: 'SCHED_RR' }
  const code = lastError()
  try {
    setPriority(highestNice)
    return { ok: true, value: 'nice' }
  } catch {
    return refused(code, `cannot raise the scheduling of the vrrp process: ${code}; give the unit CAP_SYS_NICE`)
  }
}

/** Takes `raiseScheduling` back. */
export const usualScheduling = (): void => {
  callSetScheduler(thisThread, ordinary, words(0))
  try {
    setPriority(usualNice)
  } catch {
    // It could not be raised either.
  }
}
