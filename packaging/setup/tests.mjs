// @ts-check
// The tests: runs files of dist, each in a process of its own, and tells what passed and what failed.

import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { runTestFile } from './test-file.mjs'
import { inOrder, runInOrder } from './test-queue.mjs'

/** @typedef {{ readonly folder: string, readonly ending: string, readonly timeout: number, readonly jobs?: number }} Kind */

/**
 * Where the tests of a purpose are; how many seconds a file has that asks for no other limit; how many run at once.
 * @type {Readonly<Record<'test' | 'servers' | 'packages' | 'long', Kind>>}
 */
const kinds = {
  test: { folder: 'dist/test', ending: '.test.js', timeout: 300 },
  servers: { folder: 'dist/test/servers', ending: '.servers.js', timeout: 300 },
  packages: { folder: 'dist/test/packages', ending: '.packages.js', timeout: 300, jobs: 2 },
  long: { folder: 'dist/test/long', ending: '.long.js', timeout: 3600, jobs: 1 },
}

/**
 * @typedef {{
 *   readonly files: readonly string[],
 *   readonly timeout: number,
 *   readonly jobs: number | undefined,
 * }} Chosen
 */

/**
 * The files that `args` choose: files and folders of dist, and `--jobs=N`. Without any, all of that purpose.
 * @param {keyof typeof kinds} purpose
 * @param {readonly string[]} args
 * @returns {Chosen | string} or what is wrong with them
 */
export const chooseTests = (purpose, args) => {
  const { folder, ending, timeout, jobs: usual } = kinds[purpose]
  const options = args.filter((arg) => arg.startsWith('-'))
  const jobs = /^--jobs=([1-9]\d*)$/.exec(options[0] ?? '')?.[1]
  if (options.length > 1 || (options.length === 1 && jobs === undefined))
    return `Usage: files and folders of ${folder}, and --jobs=N`
  const places = args.filter((arg) => !arg.startsWith('-'))
  const files = []
  for (const place of places.length > 0 ? places : [folder]) {
    const stat = statSync(place, { throwIfNoEntry: false })
    if (stat === undefined) return `${place} does not exist`
    if (!stat.isDirectory()) files.push(place)
    else {
      const found = readdirSync(place, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith(ending))
      files.push(...found.map((file) => join(place, file)))
    }
  }
  if (files.length === 0) return `No tests in ${places.join(', ')}`
  return { files: inOrder([...new Set(files)]), timeout, jobs: jobs === undefined ? usual : Number(jobs) }
}

/** What tap says about where it is and in which words, which the stack says already, and what of Node was still open. */
const leftOut = new Set(['at', 'source', 'compare', 'tapCaught', 'test', 'handles', 'requests', 'signal'])
const mostLines = 60

/** @param {import('./test-file.mjs').Failure} failure */
const textOf = ({ name, details }) => {
  const lines = Object.entries(details)
    .filter(([key]) => !leftOut.has(key))
    .map(
      ([key, value]) =>
        `${key}:${typeof value === 'string' ? `\n${value.trimEnd()}` : ` ${inspect(value, { depth: 6 })}`}`,
    )
  const all = lines.flatMap((line) => line.split('\n'))
  const shown = all.length > mostLines ? [...all.slice(0, mostLines), '…'] : all
  return [`  ✖ ${name}`, ...shown.map((line) => `      ${line}`)].join('\n')
}

/** @param {import('./test-file.mjs').FileResult} result */
const print = ({ file, passed, failures, seconds, processorSeconds, said }) => {
  const count = failures.length === 0 ? '' : `, ${failures.length} FAILED`
  const cost = processorSeconds?.toFixed(1) ?? '?'
  console.log(`${seconds.toFixed(1).padStart(7)} s ${cost.padStart(7)} s CPU  ${file}  ${passed} passed${count}`)
  for (const failure of failures) console.log(textOf(failure))
  if (said !== '') console.log(said.replace(/^/gm, '      | '))
}

/**
 * Runs these tests. A line a file, with all about its failures; in the end these once more. The last line says how many assertions
 * passed and failed.
 * @param {Chosen} chosen
 * @param {() => void} afterwards prints what else there is to say, before that last line
 * @returns {Promise<number>} the exit code
 */
export const runTests = async ({ files, timeout, jobs }, afterwards) => {
  // Not before npm ci.
  const { Parser } = await import('tap-parser')
  /** @type {import('./test-file.mjs').FileResult[]} */
  const results = []
  // Ctrl-C reaches the running files as well; this process waits for them to clean up.
  let isInterrupted = false
  const onInterrupt = () => {
    isInterrupted = true
  }
  process.on('SIGINT', onInterrupt)
  const begun = performance.now()
  const run = async (/** @type {string} */ file) => {
    if (isInterrupted) return
    const result = await runTestFile(file, { timeout, Parser })
    results.push(result)
    print(result)
  }
  await runInOrder(files, run, jobs)
  process.off('SIGINT', onInterrupt)

  const minutes = (performance.now() - begun) / 60_000
  const cost = results.reduce((sum, { processorSeconds = 0 }) => sum + processorSeconds, 0) / 60
  const spent = `${minutes.toFixed(1)} minutes, ${cost.toFixed(1)} of a processor`
  console.log(`\n${results.length} of ${files.length} files in ${spent}`)
  const failed = results.filter(({ failures }) => failures.length > 0)
  for (const { file, failures } of failed) {
    console.log(`FAILED ${file}`)
    for (const failure of failures) console.log(textOf(failure))
  }
  afterwards()
  const passes = results.reduce((sum, { passed }) => sum + passed, 0)
  const failures = failed.reduce((sum, one) => sum + one.failures.length, 0)
  console.log(`\n${passes} passed, ${failures} failed`)
  return failures > 0 || isInterrupted ? 1 : 0
}
