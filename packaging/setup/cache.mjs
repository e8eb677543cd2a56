// @ts-check
// The cache of this user, so that a fresh clone finds what another one has made. What comes into it does so by a rename.

import { existsSync, readdirSync, rmSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

/** All of this project's. */
export const cacheDirectory = join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'mysql-balancer')

const prefix = '.making-'

/** How the name of a directory begins in which this process makes something. */
export const workPrefix = () => `${prefix}${process.pid}-`

/**
 * Removes what a set-up or a build that was killed left in a directory; one that runs is left alone.
 * @param {string} directory
 * @param {string} [beginning] of the names, before the process id
 */
export const removeRemains = (directory, beginning = prefix) => {
  for (const entry of readdirSync(directory)) {
    if (!entry.startsWith(beginning)) continue
    const [pid = ''] = entry.slice(beginning.length).split('-')
    if (!/^\d+$/.test(pid) || existsSync(`/proc/${pid}`)) continue
    try {
      rmSync(join(directory, entry), { recursive: true, force: true })
    } catch {
      // It is another user's.
    }
  }
}
