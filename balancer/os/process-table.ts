// The processes of this host, as /proc shows them.

import { readdir, readFile } from 'node:fs/promises'

/** Looks for processes. */
export type ProcessTable = {
  /** Ids of the running processes that match; see `matches`. */
  readonly find: (pattern: string) => Promise<readonly number[]>
  /** Those of these processes that still run and match. */
  readonly stillThere: (pattern: string, ids: readonly number[]) => Promise<readonly number[]>
}

/** The kernel keeps so many characters of a name. */
const nameCharacters = 15
/** Files that are read at once: the others of this process wait for the same threads. */
const atOnce = 16

/**
 * Whether a process matches: its name, the program it was started as or the last part of its path is the pattern; a
 * pattern with blanks is the beginning of its command line, with or without the path.
 */
export const matches = (pattern: string, name: string, argv: readonly string[]): boolean => {
  const [program = '', ...rest] = argv
  const short = program.split('/').at(-1) ?? ''
  if (pattern.includes(' '))
    return [program, short].some((one) => `${[one, ...rest].join(' ')} `.startsWith(`${pattern} `))
  return name === pattern.slice(0, nameCharacters) || program === pattern || short === pattern
}

/** Opens the table. */
export const openProcessTable = (): ProcessTable => {
  const isThere = async (pattern: string, id: number): Promise<boolean> => {
    try {
      const status = await readFile(`/proc/${id}/stat`, 'utf8')
      // The name stands in parentheses and may contain some itself.
      const end = status.lastIndexOf(')')
      const state = status.charAt(end + 2)
      if (state === 'Z' || state === 'X') return false
      const name = status.slice(status.indexOf('(') + 1, end)
      const command = await readFile(`/proc/${id}/cmdline`, 'utf8')
      return matches(pattern, name, command.split('\0').slice(0, -1))
    } catch {
      return false
    }
  }
  const stillThere: ProcessTable['stillThere'] = async (pattern, ids) => {
    const found: number[] = []
    for (let i = 0; i < ids.length; i += atOnce) {
      const some = ids.slice(i, i + atOnce)
      const there = await Promise.all(some.map((id) => isThere(pattern, id)))
      found.push(...some.filter((_, k) => there[k]))
    }
    return found
  }
  const find: ProcessTable['find'] = async (pattern) => {
    const ids = (await readdir('/proc')).map(Number).filter((id) => Number.isInteger(id) && id !== process.pid)
    return stillThere(pattern, ids)
  }
  return { find, stillThere }
}
