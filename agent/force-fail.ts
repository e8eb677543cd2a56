// The file by which an operator takes the node out. Its text is the reason that everybody sees.

import { closeSync, constants, lstatSync, openSync, readSync, statSync } from 'node:fs'
import { chmod, mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { codeOf } from './core/error-text.ts'
import { parseForceFail } from './force-fail-text.ts'

const maximumBytes = 1024
const ownDirectory = '/var/lib/mysqlchk-agent/'

/**
 * The text to show while the file exists, null where it does not; the text of an empty file names the file. Looked at for
 * each answer, and so without a detour through the thread pool, which costs more than the answer itself.
 */
export const lookForForceFail = (path: string): string | null => {
  const content = contentOf(path)
  if (content === null) return null
  const { text, until } = parseForceFail(content)
  // Wall clock: the end is a moment that a person chose, and it has to survive a restart.
  if (until !== null && until.getTime() <= Date.now()) return null
  return `${text === '' ? `${path} exists` : text}${until === null ? '' : ` (until ${until.toISOString()})`}`
}

/** Of several files the first one that is there; null where none is. */
export const lookForForceFails = (paths: readonly string[]): string | null => {
  for (const path of paths) {
    const text = lookForForceFail(path)
    if (text !== null) return text
  }
  return null
}

/** Creates the file, all of its content at once; its directory, too, where it is ours to make. */
export const writeForceFail = async (path: string, content: string): Promise<void> => {
  if (path.startsWith(ownDirectory)) await mkdir(dirname(path), { recursive: true, mode: 0o755 })
  const draft = `${path}.${process.pid}`
  try {
    await writeFile(draft, content, { flag: 'wx' })
    // Whatever the umask of the operator: the agent runs as another user, and has to read the reason and the end.
    await chmod(draft, 0o644)
    await rename(draft, path)
  } catch (error) {
    await rm(draft, { force: true })
    throw error
  }
}

/** Removes the file; false where there was none. */
export const removeForceFail = async (path: string): Promise<boolean> => {
  try {
    await rm(path)
    return true
  } catch (error) {
    if (isMissing(error)) return false
    throw error
  }
}

/** Null where there is nothing, and where this user may not look for it. */
const contentOf = (path: string): string | null => {
  if (!isThere(path)) return null
  try {
    return statSync(path).isFile() ? readStart(path) : ''
  } catch {
    // A link that leads nowhere, or gone this moment.
    return isThere(path) ? '' : null
  }
}

const isThere = (path: string): boolean => {
  try {
    return lstatSync(path, { throwIfNoEntry: false }) !== undefined
  } catch {
    return false
  }
}

/** An unreadable file counts too, only its text is missing. */
const readStart = (path: string): string | null => {
  let file: number | null = null
  try {
    // What was a file a moment ago may be a pipe now, and must not hold us.
    file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
    const buffer = Buffer.alloc(maximumBytes)
    return buffer.toString('utf8', 0, readSync(file, buffer, 0, maximumBytes, 0))
  } catch (error) {
    return isMissing(error) ? null : ''
  } finally {
    if (file !== null) closeSync(file)
  }
}

const isMissing = (error: unknown): boolean => ['ENOENT', 'ENOTDIR'].includes(codeOf(error))
