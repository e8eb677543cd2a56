// @ts-check
// The tests: runs tap over dist and counts what passed and failed.

import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/**
 * The counts in the last line of tap's own summary, `# { total: 3, pass: 2, fail: 1 }`.
 * @param {string} tapOutput
 */
const countsIn = (tapOutput) => {
  const summaries = [...tapOutput.matchAll(/^# \{ (total: .*) \}$/gm)]
  const summary = summaries.at(-1)?.[1] ?? ''
  const count = (/** @type {string} */ word) => Number(summary.match(new RegExp(`\\b${word}: (\\d+)`))?.[1] ?? 0)
  return { passed: count('pass'), failed: count('fail') }
}

/** Programs that tests start have no NODE_OPTIONS: `test/lab/environment.ts`. */
const testEnvironment = `NODE_OPTIONS=--require=${JSON.stringify(fileURLToPath(new URL('without-hooks.cjs', import.meta.url)))}`

/**
 * @param {readonly string[]} args
 * @returns {Promise<number>} the exit code
 */
const runTap = (args) =>
  new Promise((resolve, reject) => {
    // With CI set, tap's reporter loses the failures when it does not write to a terminal.
    const { NODE_OPTIONS: _, CI: _ci, ...env } = process.env
    const child = spawn('node_modules/.bin/tap', args, { env, stdio: 'inherit' })
    // Ctrl-C reaches tap as well; this process waits for it, to count and to clean up.
    const wait = () => undefined
    process.on('SIGINT', wait)
    child.once('error', reject)
    child.once('close', (code) => {
      process.off('SIGINT', wait)
      resolve(code ?? 1)
    })
  })

/**
 * How tap has to run the tests of a purpose that a plain `npm test` leaves out; nothing for that one itself.
 * @param {import('./main.mjs').Purpose} purpose
 * @returns {readonly string[]}
 */
export const testsOf = (purpose) => {
  if (purpose !== 'servers' && purpose !== 'packages') return []
  const directory = join('dist/test', purpose)
  const files = readdirSync(directory).filter((file) => file.endsWith(`.${purpose}.js`))
  return ['--disable-coverage', '--jobs=2', ...files.map((file) => join(directory, file))]
}

/**
 * Runs all tests; `args` are passed on to tap. The last line says how many assertions passed and failed.
 * @param {readonly string[]} args
 * @param {() => void} [afterwards] prints what else there is to say, before that last line
 * @returns {Promise<number>} the exit code
 */
export const runTests = async (args, afterwards = () => undefined) => {
  const directory = mkdtempSync(join(tmpdir(), 'mysql-balancer-test-'))
  const outputFile = join(directory, 'output.tap')
  const reporter = process.stdout.isTTY ? [] : ['--reporter=terse']
  try {
    const code = await runTap([`--output-file=${outputFile}`, `--test-env=${testEnvironment}`, ...reporter, ...args])
    const { passed, failed } = countsIn(existsSync(outputFile) ? readFileSync(outputFile, 'utf8') : '')
    // tap also fails where no assertion did: a test file that crashed, or no test at all.
    const hasFailed = code !== 0 || failed > 0 || passed === 0
    afterwards()
    // A new line first: it takes what tap sends to the terminal at its end.
    console.log(`\n${passed} passed, ${hasFailed ? Math.max(failed, 1) : 0} failed`)
    return hasFailed ? 1 : 0
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}
