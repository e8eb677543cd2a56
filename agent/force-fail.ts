// The file by which an operator takes the node out. Its text is the reason that everybody sees.

import { open, rename, rm, stat, writeFile } from 'node:fs/promises'
import { parseForceFail } from './force-fail-text.ts'

const maximumBytes = 1024

/** The text to show while the file exists, null where it does not; the text of an empty file names the file. */
export const lookForForceFail = async (path: string): Promise<string | null> => {
  const stats = await stat(path).catch(() => null)
  if (stats === null) return null
  // An unreadable file or a directory counts too, only its text is missing.
  const content = stats.isFile() ? await readStart(path).catch((error) => (isMissing(error) ? null : '')) : ''
  if (content === null) return null
  const { text, until } = parseForceFail(content)
  // Wall clock: the end is a moment that a person chose, and it has to survive a restart.
  if (until !== null && until.getTime() <= Date.now()) return null
  return `${text === '' ? `${path} exists` : text}${until === null ? '' : ` (until ${until.toISOString()})`}`
}

/** Creates the file, all of its content at once. */
export const writeForceFail = async (path: string, content: string): Promise<void> => {
  const draft = `${path}.${process.pid}`
  try {
    await writeFile(draft, content, { flag: 'wx', mode: 0o644 })
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

const readStart = async (path: string): Promise<string> => {
  const file = await open(path, 'r')
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(maximumBytes), 0, maximumBytes, 0)
    return buffer.toString('utf8', 0, bytesRead)
  } finally {
    await file.close()
  }
}

const isMissing = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR')
