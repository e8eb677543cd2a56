// What a program and all its descendants have used of the processors and of the memory, as /proc tells it.

import { readFileSync } from 'node:fs'
import { familyOf } from '../lab/proc.ts'

/** Fields of /proc/PID/stat after the command's name: utime, stime, and cutime, cstime of the children reaped. */
const timeFields = [11, 12, 13, 14]
/** USER_HZ of Linux. */
const millisPerTick = 10

/** User and system time in milliseconds of a process, its living descendants, and all that they have reaped. */
export const cpuMillis = (root: number): number =>
  familyOf(root)
    .map((pid) => {
      const text = textOf(`/proc/${pid}/stat`)
      const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
      return timeFields.reduce((sum, field) => sum + Number(fields[field] ?? 0), 0) * millisPerTick
    })
    .reduce((sum, millis) => sum + millis, 0)

/** Whether nothing but the process itself is left of its family. */
export const isAlone = (root: number): boolean => familyOf(root).length === 1

/** Resident memory of one process in MiB. */
export const residentMiB = (pid: number): number =>
  Number(/^VmRSS:\s+(\d+) kB$/m.exec(textOf(`/proc/${pid}/status`))?.[1] ?? 0) / 1024

const textOf = (path: string): string => {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    // Ended since the look at the list: its parent has its time now.
    return ''
  }
}
