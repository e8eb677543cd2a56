// What the whole machine has computed: every process, and what the kernel does on nobody's account.

import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

const idleMillis = 3000
/** What is started here and at rest takes less. */
const quietPercent = 20

/** /proc counts in hundredths of a second, whatever the kernel's own clock is. */
const tickMillis = 10

/**
 * Milliseconds of processor time since boot in the text of /proc/stat (proc_pid_stat(5)): user, nice, system, irq and
 * softirq. Neither idle, nor waiting for a disk, nor what other machines on the same hardware took.
 */
export const busyMillisIn = (stat: string): number => {
  const fields = /^cpu +(.*)$/m.exec(stat)?.[1]?.split(' ').map(Number) ?? []
  const [user, nice, system, , , irq, softirq] = fields
  const ticks = [user, nice, system, irq, softirq].reduce<number>((sum, value) => sum + (value ?? Number.NaN), 0)
  if (Number.isNaN(ticks)) throw new Error('/proc/stat has no line of all processors')
  return ticks * tickMillis
}

/** The same now. */
export const busyMillis = (): number => busyMillisIn(readFileSync('/proc/stat', 'latin1'))

/** While nobody here has anything to do: what the machine computes now is in every figure. It takes three seconds. */
export const listenForOthers = async (): Promise<{ readonly line: string; readonly isQuiet: boolean }> => {
  const before = busyMillis()
  await sleep(idleMillis)
  const percent = ((busyMillis() - before) / idleMillis) * 100
  return {
    line: `idle, the machine computes ${percent.toFixed(0)} % of one processor`,
    isQuiet: percent <= quietPercent,
  }
}
