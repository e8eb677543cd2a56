// @ts-check
// `npm start`, `npm test` and `npm run test:servers`: looks what is missing, says so, puts it in place, then runs the demo or
// the tests.

import { fileURLToPath } from 'node:url'
import { build, isBuilt } from './build.mjs'
import { installDebianPackages, missingDebianPackages } from './debian.mjs'
import { installNpmPackages, npmPackagesToInstall } from './npm.mjs'
import { unmetRequirements } from './requirements.mjs'
import { installServerRoots, missingServerRoots, serversDirectory } from './servers.mjs'
import { Interrupted, StepFailed, watchInterrupts } from './step.mjs'
import { runTests, serverTests } from './tests.mjs'

/** @typedef {'start' | 'test' | 'servers'} Purpose */

/**
 * Puts in place what is missing; prints the whole list before it changes anything.
 * @param {Purpose} purpose
 */
const setUp = async (purpose) => {
  const debian = missingDebianPackages(purpose)
  const roots = purpose === 'servers' ? missingServerRoots() : []
  const npm = npmPackagesToInstall()
  const stale = npm !== undefined || !isBuilt()
  if (debian.length === 0 && roots.length === 0 && !stale) return

  console.log('This is going to be put in place first:')
  if (debian.length > 0) {
    console.log(`  Debian packages   ${debian.join(' ')}`)
    console.log('                    (apt-get; none of their services is started, now or at the next boot)')
  }
  if (npm !== undefined) console.log(`  npm packages      into node_modules: ${npm}`)
  if (stale) console.log('  the build         TypeScript into dist')
  if (roots.length > 0) {
    console.log(`  servers           ${roots.map(({ title }) => title).join(' and ')} in ${serversDirectory}`)
    console.log('                    (130 MB of Debian packages, unpacked there and not installed; 0.7 GB)')
  }
  console.log()

  const stopWatching = watchInterrupts()
  try {
    if (debian.length > 0) await installDebianPackages(debian)
    if (npm !== undefined) await installNpmPackages()
    if (stale) await build()
    if (roots.length > 0) await installServerRoots(roots)
  } finally {
    stopWatching()
  }
  console.log()
}

/**
 * Runs the demo in this process, so that Ctrl-C has one process to end.
 * @param {readonly string[]} args
 */
const runDemo = async (args) => {
  process.argv.splice(2, process.argv.length, ...args)
  process.setSourceMapsEnabled(true)
  await import(new URL('../../dist/test/demo/main.js', import.meta.url).href)
}

process.chdir(fileURLToPath(new URL('../..', import.meta.url)))

const [purpose, ...args] = process.argv.slice(2)
// For .ci/run: whether the servers are there, without putting them there.
if (purpose === 'has-servers') process.exit(missingServerRoots().length === 0 ? 0 : 1)
if (purpose !== 'start' && purpose !== 'test' && purpose !== 'servers') {
  console.error('Usage: npm start [-- ARGUMENTS], npm test [-- ARGUMENTS OF TAP] or npm run test:servers')
  process.exit(2)
}

const unmet = unmetRequirements()
if (unmet.length > 0) {
  console.error(`This cannot run here:\n${unmet.map((line) => `  - ${line}`).join('\n')}\nNothing was changed.`)
  process.exit(1)
}

try {
  await setUp(purpose)
} catch (error) {
  if (error instanceof Interrupted) {
    console.error('Interrupted. What was begun is finished; run it again to go on.')
    process.exit(130)
  }
  if (!(error instanceof StepFailed)) throw error
  console.error(error.message)
  process.exit(1)
}

if (purpose === 'start') await runDemo(args)
else process.exitCode = await runTests(purpose === 'servers' ? [...serverTests(), ...args] : args)
