// The two files of a configuration in the runtime directory: what was put in place, and how it stands.

import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { DirectReturnConfig } from '../config/direct-return.ts'
import { networkNamespace } from '../os/arp-settings.ts'
import { isEmpty, type Memory, memoryText, parseMemory } from './core/memory.ts'
import type { Other } from './core/plan.ts'
import { parseStanding, type Standing, standingText } from './core/standing.ts'

const memoryEnd = '.memory.json'
const standingEnd = '.status.json'

type Place = Pick<DirectReturnConfig, 'directory' | 'name'>

/** What was put in place for a configuration. */
export const readMemory = ({ directory, name }: Place): Memory =>
  parseMemory(read(join(directory, `${name}${memoryEnd}`)), networkNamespace())

/** Throws where the directory cannot be written. */
export const writeMemory = ({ directory, name }: Place, memory: Memory): void => {
  const path = join(directory, `${name}${memoryEnd}`)
  if (isEmpty(memory)) rmSync(path, { force: true })
  else replace(path, memoryText(memory, networkNamespace()))
}

/** The further configurations of this host that have something in place. */
export const readOthers = ({ directory, name }: Place): readonly Other[] => {
  try {
    return readdirSync(directory)
      .filter((file) => file.endsWith(memoryEnd) && file !== `${name}${memoryEnd}`)
      .map((file) => file.slice(0, -memoryEnd.length))
      .map((other) => ({ name: other, memory: readMemory({ directory, name: other }) }))
  } catch {
    return []
  }
}

/** How it stands; null where nobody has written it. */
export const readStanding = ({ directory, name }: Place): Standing | null =>
  parseStanding(read(join(directory, `${name}${standingEnd}`)))

/** For the agent, which is another user. Throws as `writeMemory` does. */
export const writeStanding = ({ directory, name }: Place, standing: Standing | null): void => {
  const path = join(directory, `${name}${standingEnd}`)
  if (standing === null) rmSync(path, { force: true })
  else replace(path, standingText(standing))
}

const read = (path: string): string => {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

/** Whoever reads sees all of the old text or all of the new one. */
const replace = (path: string, text: string): void => {
  mkdirSync(dirname(path), { recursive: true, mode: 0o755 })
  const draft = `${path}.${process.pid}`
  writeFileSync(draft, text, { mode: 0o644 })
  renameSync(draft, path)
}
