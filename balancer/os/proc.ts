// /proc as it is at this moment: processes come and go while it is read, and some of it is for others to see.

import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

/** The ids of all processes that this one can see. */
export const processIds = (): readonly number[] => readdirSync('/proc').map(Number).filter(Number.isInteger)

/** The text of a file; empty where it is not there, or not for this process. */
export const readProc = (path: string): string => {
  try {
    return readFileSync(`/proc/${path}`, 'latin1')
  } catch {
    return ''
  }
}

/** The network namespace of a process; undefined where it is gone, or nobody may look. */
export const networkOf = (pid: number | 'self'): string | undefined => {
  try {
    return readlinkSync(`/proc/${pid}/ns/net`)
  } catch {
    return undefined
  }
}

/** Whether the process is in the network of this one; where one may not look: most hosts have one network. */
export const mayBeInThisNetwork = (pid: number): boolean => [networkOf('self'), undefined].includes(networkOf(pid))
