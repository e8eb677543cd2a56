// @ts-check
// Folders to work in, with the process in their name, so that those of a build that was killed can be told and removed.

import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'

/**
 * What builds that were killed left behind; those that run are left alone.
 * @param {string} parent
 * @param {string} prefix
 */
const removeRemains = (parent, prefix) => {
  for (const entry of readdirSync(parent)) {
    if (!entry.startsWith(prefix)) continue
    const [pid = ''] = entry.slice(prefix.length).split('-')
    if (!/^\d+$/.test(pid) || existsSync(`/proc/${pid}`)) continue
    try {
      rmSync(join(parent, entry), { recursive: true, force: true })
    } catch {
      // It is another user's.
    }
  }
}

/**
 * Makes a folder, hands it to `use`, and removes it whatever comes.
 * @template T
 * @param {string} parent
 * @param {string} prefix
 * @param {(folder: string) => Promise<T>} use
 */
export const inWorkFolder = async (parent, prefix, use) => {
  mkdirSync(parent, { recursive: true })
  removeRemains(parent, prefix)
  const folder = mkdtempSync(join(parent, `${prefix}${process.pid}-`))
  try {
    return await use(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
