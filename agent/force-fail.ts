// The file by which an operator takes the node out. Its text is the reason that everybody sees.

import { open, rename, rm, stat, writeFile } from 'node:fs/promises'
import { oneLine } from './core/text.ts'

const maximumBytes = 512
const maximumText = 200

/** The text to show while the file exists, null where it does not; the text of an empty file names the file. */
export const lookForForceFail = async (path: string): Promise<string | null> => {
  const stats = await stat(path).catch(() => null)
  if (stats === null) return null
  // An unreadable file or a directory counts too, only its text is missing.
  const text = stats.isFile() ? await readStart(path).catch((error) => (isMissing(error) ? null : '')) : ''
  return text === '' ? `${path} exists` : text
}

/** Creates the file, all of its text at once. */
export const writeForceFail = async (path: string, reason: string): Promise<void> => {
  const draft = `${path}.${process.pid}`
  try {
    await writeFile(draft, reason === '' ? '' : `${reason}\n`, { flag: 'wx', mode: 0o644 })
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
    return oneLine(buffer.toString('utf8', 0, bytesRead), maximumText)
  } finally {
    await file.close()
  }
}

const isMissing = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR')
