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
 * Removes what a set-up that was killed left in a directory; one that runs is left alone.
 * @param {string} directory
 */
export const removeRemains = (directory) => {
  for (const entry of readdirSync(directory)) {
    if (!entry.startsWith(prefix)) continue
    const [pid = ''] = entry.slice(prefix.length).split('-')
    if (!existsSync(`/proc/${pid}`)) rmSync(join(directory, entry), { recursive: true, force: true })
  }
}
