// @ts-check
// One file of tests in a process of its own: what it printed as TAP, counted, with all that is to be known of what failed.

import { spawn } from 'node:child_process'

/**
 * An assertion that failed, or what went wrong with the file itself. `details`: as tap found it, by names as `at` and `stack`.
 * @typedef {{ readonly name: string, readonly details: Readonly<Record<string, unknown>> }} Failure
 */

/**
 * What came of a file. `seconds`: from its start to its end. `processorSeconds`: how long processors worked for it and for what it has
 * started; undefined if it was killed. `said`: its standard error.
 * @typedef {{
 *   readonly file: string,
 *   readonly passed: number,
 *   readonly failures: readonly Failure[],
 *   readonly seconds: number,
 *   readonly processorSeconds: number | undefined,
 *   readonly said: string,
 * }} FileResult
 */

/** @typedef {{ readonly setTimeout?: number, readonly processorSeconds?: number }} Told */

const secondMs = 1000
const tellCost = new URL('tell-cost.mjs', import.meta.url).href
/** tap ends a file whose time is over, which then takes its labs down. One that does not end even so is killed. */
const graceMs = 30_000

/**
 * Counts the assertions that a parser finds. A subtest's own line is none, those in it are.
 * @param {import('tap-parser').Parser} parser
 * @param {{ passed: number, failures: Failure[] }} count
 */
const countAssertions = (parser, count) => {
  parser.on('assert', (/** @type {import('tap-parser').Result} */ result) => {
    if (result.closingTestPoint) return
    if (result.ok) count.passed += 1
    else count.failures.push({ name: result.fullname, details: result.diag ?? {} })
  })
  parser.on('child', (/** @type {import('tap-parser').Parser} */ child) => countAssertions(child, count))
}

/**
 * What is wrong with a file none of whose assertions failed; undefined if it is well.
 * @param {import('tap-parser').FinalResults | null} results
 * @param {string} end how its process ended
 * @param {number} passed
 */
const faultOf = (results, end, passed) => {
  if (end !== 'exit 0') return `its process ended with ${end}`
  if (passed === 0) return 'it asserts nothing'
  if (results?.ok === true) return undefined
  const errors = results?.failures.map(({ tapError }) => tapError) ?? []
  return `its output is no sound TAP: ${[...new Set(errors)].join(', ')}`
}

/**
 * Runs one file to its end. It has `timeout` seconds, unless it asks tap for another limit.
 * @param {string} file
 * @param {{ readonly timeout: number, readonly Parser: typeof import('tap-parser').Parser }} options
 * @returns {Promise<FileResult>}
 */
export const runTestFile = (file, { timeout, Parser }) =>
  new Promise((resolve) => {
    const begun = performance.now()
    // Authorities of this machine are nobody's business here, and each Node that starts would read all of them first: 0.1 s.
    const { NODE_OPTIONS: _, NODE_EXTRA_CA_CERTS: __, ...environment } = process.env
    const child = spawn(process.execPath, ['--enable-source-maps', `--import=${tellCost}`, file], {
      env: { ...environment, TAP_TIMEOUT: String(timeout) },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    })

    const kill = () => child.kill('SIGKILL')
    let lastResort = setTimeout(kill, timeout * secondMs + graceMs)
    /** @type {number | undefined} */
    let processorSeconds
    // tap tells of its limit whoever has started it.
    child.on('message', (/** @type {Told} */ { setTimeout: limit, processorSeconds: cost }) => {
      processorSeconds ??= cost
      if (limit === undefined) return
      clearTimeout(lastResort)
      if (limit > 0) lastResort = setTimeout(kill, limit + graceMs)
    })

    /** @type {{ passed: number, failures: Failure[] }} */
    const count = { passed: 0, failures: [] }
    const parser = new Parser()
    countAssertions(parser, count)
    child.stdout?.pipe(parser)
    /** @type {Buffer[]} */
    const said = []
    child.stderr?.on('data', (chunk) => said.push(chunk))

    child.once('close', (code, signal) => {
      clearTimeout(lastResort)
      const fault = faultOf(parser.results, signal ?? `exit ${code}`, count.passed)
      if (fault !== undefined && count.failures.length === 0) count.failures.push({ name: fault, details: {} })
      const seconds = (performance.now() - begun) / secondMs
      resolve({ file, ...count, seconds, processorSeconds, said: Buffer.concat(said).toString().trimEnd() })
    })
  })
