// @ts-check
// What the packages carry inside beside the dependencies of the programs: Node, and koffi's native part for it. They are pinned by
// packaging/debian/package-lock.json and lie in a cache of this user, so that nobody's `npm ci` has to fetch them.

import { createHash } from 'node:crypto'
import { cpSync, existsSync, readFileSync, renameSync } from 'node:fs'
import { basename, join } from 'node:path'
import { cacheDirectory } from '../cache.mjs'
import { runStep } from '../step.mjs'
import { inWorkFolder } from './work-folder.mjs'

/** Where they lie: below the cache of this user, so that a fresh clone finds them. */
export const toolsDirectory = join(cacheDirectory, 'deb')
const manifests = ['package.json', 'package-lock.json'].map((name) => join('packaging/debian', name))

/** @type {Readonly<Record<import('./options.mjs').Architecture, string>>} */
export const nodeArchitecture = { amd64: 'x64', arm64: 'arm64' }

/**
 * The folder of the tools for one architecture of Node; another lockfile has another folder.
 * @param {string} architecture as Node calls it
 */
const folderOf = (architecture) => {
  const hash = createHash('sha256')
  for (const file of manifests) hash.update(readFileSync(file))
  return join(toolsDirectory, `${architecture}-${hash.digest('hex').slice(0, 16)}`)
}

/**
 * The architectures whose tools are not there.
 * @param {import('./options.mjs').Architecture} architecture
 */
export const missingTools = (architecture) =>
  [nodeArchitecture[architecture]].filter((wanted) => !existsSync(folderOf(wanted)))

/**
 * Fetches tools with `npm ci`, which compares them with the lockfile. Each folder comes into its place complete.
 * @param {readonly string[]} architectures
 */
export const installTools = async (architectures) => {
  for (const architecture of architectures) {
    await inWorkFolder(toolsDirectory, '.making-', async (work) => {
      for (const file of [...manifests, '.npmrc']) cpSync(file, join(work, basename(file)))
      const platform = ['--os=linux', `--cpu=${architecture}`, '--libc=glibc']
      const args = ['ci', '--prefix', work, '--ignore-scripts', ...platform]
      await runStep(`Node for ${architecture} (npm ci)`, 'npm', args)
      try {
        renameSync(work, folderOf(architecture))
      } catch (error) {
        // Another build was faster: its folder is as good.
        if (!existsSync(folderOf(architecture))) throw error
      }
    })
  }
}

/**
 * Where the npm package of this name lies that is part of the packages of this architecture.
 * @param {import('./options.mjs').Architecture} architecture
 * @param {string} name
 */
const toolPackage = (architecture, name) => join(folderOf(nodeArchitecture[architecture]), 'node_modules', name)

/**
 * The Node that goes into the packages: bin, include, LICENSE.
 * @param {import('./options.mjs').Architecture} architecture
 */
export const nodeDirectory = (architecture) => toolPackage(architecture, `node-linux-${nodeArchitecture[architecture]}`)

/**
 * koffi's native part. That of this machine comes with the dependencies of the programs.
 * @param {import('./options.mjs').Architecture} architecture
 */
export const koffiDirectory = (architecture) => {
  const name = `@koromix/koffi-linux-${nodeArchitecture[architecture]}`
  const own = join('node_modules', name)
  return existsSync(own) ? own : toolPackage(architecture, name)
}
