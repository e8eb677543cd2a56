// @ts-check
// npm packages: whether node_modules is what package-lock.json says, and `npm ci` if not.

import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { runStep } from './step.mjs'

/** @typedef {{ readonly version?: string, readonly optional?: boolean }} LockedPackage */

/**
 * @param {string} file
 * @returns {Map<string, LockedPackage>}
 */
const lockedPackages = (file) => {
  const { packages } = JSON.parse(readFileSync(file, 'utf8'))
  return new Map(Object.entries(packages).filter(([path]) => path !== ''))
}

const nativePackages = () => {
  const { allowScripts = {} } = JSON.parse(readFileSync('package.json', 'utf8'))
  return Object.keys(allowScripts).filter((name) => allowScripts[name] === true)
}

// A native package was built for one version of Node, and `npm ci` may have been told to skip the build.
const nativePackagesLoad = () => {
  const program = nativePackages()
    .map((name) => `require(${JSON.stringify(name)})`)
    .join(';')
  return spawnSync(process.execPath, ['--eval', program], { env: { ...process.env, NODE_OPTIONS: '' } }).status === 0
}

/**
 * What there is to install, in a few words, or undefined if node_modules is complete.
 * @returns {string | undefined}
 */
export const npmPackagesToInstall = () => {
  const wanted = lockedPackages('package-lock.json')
  if (!existsSync('node_modules/.package-lock.json')) return `all ${wanted.size}`
  const present = lockedPackages('node_modules/.package-lock.json')
  // Optional packages are often for other platforms.
  const missing = [...wanted].filter(
    ([path, { version, optional }]) =>
      present.get(path)?.version !== version && !(optional === true && !present.has(path)),
  )
  const superfluous = [...present.keys()].filter((path) => !wanted.has(path))
  const differences = missing.length + superfluous.length
  if (differences > 0) return `${differences} differ from package-lock.json`
  return nativePackagesLoad() ? undefined : 'the native ones do not load in this Node'
}

/** Installs exactly what package-lock.json says. Node's own headers are used where they are installed. */
export const installNpmPackages = async () => {
  const prefix = dirname(dirname(process.execPath))
  const hasHeaders = existsSync(join(prefix, 'include/node/node.h'))
  const env = hasHeaders ? { npm_config_nodedir: prefix } : {}
  await runStep('npm packages (npm ci)', 'npm', ['ci'], { env })
}
