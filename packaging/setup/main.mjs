// @ts-check
// `npm start`, `npm test`, `npm run test:servers`, `test:packages` and `test:long`, `npm run bench:datapath` and `npm run deb`: looks
// what is missing, says so, puts it in place, then runs the demo, the tests or the benchmark, or builds the packages.

import { fileURLToPath } from 'node:url'
import { build, isBuilt } from './build.mjs'
import { buildPackages } from './deb/build.mjs'
import { debUsage, parseDebOptions } from './deb/options.mjs'
import { installTools, missingTools, toolsDirectory } from './deb/tools.mjs'
import { installDebianPackages, missingDebianPackages, neededBy, neededByDeb } from './debian.mjs'
import { installNpmPackages, npmPackagesToInstall } from './npm.mjs'
import { unmetRequirements } from './requirements.mjs'
import { installPackageRoots, missingPackageRoots, rootsDirectory } from './roots.mjs'
import { installServerRoots, missingServerRoots, serversDirectory } from './servers.mjs'
import { Interrupted, StepFailed, watchInterrupts } from './step.mjs'
import { buildTestPackages, printFigures, testArchitecture, testPackagesAreBuilt } from './test-packages.mjs'
import { chooseTests, runTests } from './tests.mjs'

/** @typedef {'start' | 'test' | 'servers' | 'packages' | 'long' | 'datapath' | 'deb'} Purpose */

/** @type {readonly Purpose[]} */
const purposes = ['start', 'test', 'servers', 'packages', 'long', 'datapath', 'deb']

/** What of dist runs in this process, so that Ctrl-C has one process to end. */
const programs = { start: 'demo/main.js', datapath: 'bench/datapath.js' }

/**
 * What is missing.
 * @typedef {{
 *   readonly debian: readonly string[],
 *   readonly npm: string | undefined,
 *   readonly stale: boolean,
 *   readonly roots: ReturnType<typeof missingServerRoots>,
 *   readonly systems: ReturnType<typeof missingPackageRoots>,
 *   readonly tools: readonly string[],
 *   readonly packages: boolean,
 * }} Missing
 */

/**
 * @param {Purpose} purpose
 * @returns {Missing}
 */
const missingFor = (purpose) => {
  const npm = npmPackagesToInstall()
  return {
    debian: missingDebianPackages(purpose === 'start' || purpose === 'datapath' ? neededBy[purpose] : neededBy.tests),
    npm,
    stale: npm !== undefined || !isBuilt(),
    roots: purpose === 'servers' ? missingServerRoots() : [],
    systems: [],
    tools: [],
    packages: false,
  }
}

/**
 * @param {import('./deb/options.mjs').Architecture} architecture
 * @returns {Missing}
 */
const missingForDeb = (architecture) => ({
  debian: missingDebianPackages(neededByDeb(architecture)),
  npm: npmPackagesToInstall(),
  stale: false,
  roots: [],
  systems: [],
  tools: missingTools(architecture),
  packages: false,
})

/** @returns {Missing} */
const missingForPackageTests = () => {
  const npm = npmPackagesToInstall()
  return {
    debian: missingDebianPackages([...neededBy.packageTests, ...neededByDeb(testArchitecture)]),
    npm,
    stale: npm !== undefined || !isBuilt(),
    roots: [],
    systems: missingPackageRoots(),
    tools: missingTools(testArchitecture),
    packages: !testPackagesAreBuilt(),
  }
}

/**
 * Puts in place what is missing; prints the whole list before it changes anything.
 * @param {Missing} missing
 */
const setUp = async ({ debian, npm, stale, roots, systems, tools, packages }) => {
  const nothing = [debian, roots, systems, tools].every(({ length }) => length === 0)
  if (nothing && npm === undefined && !packages && !stale) return

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
  if (tools.length > 0) {
    console.log(`  Node              the one of the packages, for ${tools.join(' and ')}, into ${toolsDirectory}`)
    console.log('                    (50 MB of npm packages each, and 0.2 GB there)')
  }
  if (systems.length > 0) {
    console.log(`  clean systems     ${systems.map(({ title }) => title).join(', ')} in ${rootsDirectory}`)
    console.log('                    (0.8 GB each; nothing of them is installed here)')
  }
  if (packages) console.log('  packages          two versions of both, from these sources, in debs/test')
  console.log()

  const stopWatching = watchInterrupts()
  try {
    if (debian.length > 0) await installDebianPackages(debian)
    if (npm !== undefined) await installNpmPackages()
    if (stale) await build()
    if (roots.length > 0) await installServerRoots(roots)
    if (tools.length > 0) await installTools(tools)
    if (systems.length > 0) await installPackageRoots(systems)
    if (packages) await buildTestPackages()
  } finally {
    stopWatching()
  }
  console.log()
}

/**
 * @param {keyof typeof programs} purpose
 * @param {readonly string[]} args
 */
const runProgram = async (purpose, args) => {
  process.argv.splice(2, process.argv.length, ...args)
  process.setSourceMapsEnabled(true)
  await import(new URL(`../../dist/test/${programs[purpose]}`, import.meta.url).href)
}

process.chdir(fileURLToPath(new URL('../..', import.meta.url)))

const [asked, ...args] = process.argv.slice(2)
// For .ci/run: whether the servers are there, without putting them there.
if (asked === 'has-servers') process.exit(missingServerRoots().length === 0 ? 0 : 1)
const purpose = purposes.find((name) => name === asked)
if (purpose === undefined) {
  console.error(
    'Usage: npm start [-- ARGUMENTS], npm test [-- FILES], npm run test:servers, test:packages, test:long [-- FILES]',
  )
  console.error('or npm run bench:datapath, npm run deb [-- OPTIONS]')
  process.exit(2)
}
const deb = purpose === 'deb' ? parseDebOptions(args) : undefined
if (deb?.ok === false) {
  console.error(deb.text === undefined ? debUsage : `${deb.text}\n${debUsage}`)
  process.exit(deb.text === undefined ? 0 : 2)
}

const unmet = unmetRequirements({ hosts: deb === undefined })
if (unmet.length > 0) {
  console.error(`This cannot run here:\n${unmet.map((line) => `  - ${line}`).join('\n')}\nNothing was changed.`)
  process.exit(1)
}

try {
  if (deb !== undefined) await setUp(missingForDeb(deb.options.architecture))
  else await setUp(purpose === 'packages' ? missingForPackageTests() : missingFor(purpose))
  if (deb !== undefined) await buildPackages(deb.options)
} catch (error) {
  if (error instanceof Interrupted) {
    console.error('Interrupted. What was begun is finished; run it again to go on.')
    process.exit(130)
  }
  if (!(error instanceof StepFailed)) throw error
  console.error(error.message)
  process.exit(1)
}

if (purpose === 'start' || purpose === 'datapath') await runProgram(purpose, args)
else if (purpose !== 'deb') {
  const chosen = chooseTests(purpose, args)
  if (typeof chosen === 'string') {
    console.error(chosen)
    process.exit(2)
  }
  process.exitCode = await runTests(chosen, () => purpose === 'packages' && printFigures())
}
