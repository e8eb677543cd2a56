// How many files, and so sockets, this process may have open.

import { readFileSync } from 'node:fs'

/** The limit in force (RLIMIT_NOFILE); infinite where there is none. Node raises its own to the hard limit at start. */
export const openFileLimit = (): number => {
  const [, soft = 'unlimited'] =
    /^Max open files\s+(\d+|unlimited)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? []
  return soft === 'unlimited' ? Number.POSITIVE_INFINITY : Number(soft)
}
