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
/** More than any pattern has. */
const longestCommand = 4096

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

type Seen = { readonly id: number; readonly name: string; readonly argv: readonly string[] }

/** Opens the table. Who looks for something while it is being read waits for the same reading. */
export const openProcessTable = (): ProcessTable => {
  let reading: Promise<readonly Seen[]> | null = null
  const readTable = async (): Promise<readonly Seen[]> => {
    const ids = (await readdir('/proc')).map(Number).filter((id) => Number.isInteger(id) && id !== process.pid)
    return lookAt(ids)
  }
  return {
    find: async (pattern) => {
      reading ??= readTable().finally(() => {
        reading = null
      })
      return matching(pattern, await reading)
    },
    stillThere: async (pattern, ids) => matching(pattern, await lookAt(ids)),
  }
}

const matching = (pattern: string, all: readonly Seen[]): readonly number[] =>
  all.filter(({ name, argv }) => matches(pattern, name, argv)).map(({ id }) => id)

/** Those of these processes that run. */
const lookAt = async (ids: readonly number[]): Promise<readonly Seen[]> => {
  const found: Seen[] = []
  for (let i = 0; i < ids.length; i += atOnce) {
    const some = await Promise.all(ids.slice(i, i + atOnce).map(lookAtOne))
    found.push(...some.filter((one) => one !== null))
  }
  return found
}

const lookAtOne = async (id: number): Promise<Seen | null> => {
  try {
    const status = await readFile(`/proc/${id}/stat`, 'utf8')
    // The name stands in parentheses and may contain some itself.
    const end = status.lastIndexOf(')')
    const state = status.charAt(end + 2)
    if (state === 'Z' || state === 'X') return null
    const name = status.slice(status.indexOf('(') + 1, end)
    const command = await readFile(`/proc/${id}/cmdline`, 'utf8')
    return { id, name, argv: command.slice(0, longestCommand).split('\0').slice(0, -1) }
  } catch {
    return null
  }
}
