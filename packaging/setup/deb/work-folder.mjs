// @ts-check
// Folders to work in, with the process in their name, so that those of a build that was killed can be told and removed.

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { removeRemains } from '../cache.mjs'

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
