// What setup-user knows of the server it found, and what an operator calls it.

import type { Words } from '../../probe/core/facts.ts'
import { setFlags } from '../../verdict/core/writable.ts'

/** The server, as its administrator sees it. */
export type Seen = {
  readonly version: string
  readonly words: Words
  /** What it replicates from, as host and port; none for one that is no replica. */
  readonly sources: readonly string[]
  readonly hasReplicas: boolean
  /** Its role in a replication group; null outside one. */
  readonly groupRole: string | null
  /** The hosts that the check user exists for. */
  readonly hosts: readonly string[]
  /** Whether the table of check.heartbeat is there; null where none is configured. */
  readonly hasTable: boolean | null
}

export const isMariaDb = ({ version }: Seen): boolean => /mariadb/i.test(version)

/** Whether a version is that one or a later one, by its first three numbers. */
export const isAtLeast = (version: string, least: readonly [number, number, number]): boolean => {
  const numbers = /(\d+)\.(\d+)\.(\d+)/.exec(version)?.slice(1).map(Number) ?? []
  for (const [i, wanted] of least.entries()) {
    const found = numbers[i] ?? 0
    if (found !== wanted) return found > wanted
  }
  return true
}

/** Why users must not be made here, but where this server has its data from; null where they may. */
export const writeObjection = ({ words, groupRole }: Seen): string | null => {
  const [flag] = setFlags(words) ?? []
  if (groupRole === 'SECONDARY') return 'it is a SECONDARY of its group'
  return flag === undefined ? null : `${flag} is ${words[flag]}`
}
