// @ts-check
// One step of the set-up: a tool that runs to its end behind one line of progress, and what Ctrl-C does meanwhile.

import { spawn } from 'node:child_process'

/** A tool failed; the message holds the end of what it said. */
export class StepFailed extends Error {}

/** The user pressed Ctrl-C, and the running tool has come to its end. */
export class Interrupted extends Error {}

const shownLines = 60
const secondMs = 1000

let wasInterrupted = false
/** @type {(() => void) | undefined} */
let interruptTool

/**
 * Turns SIGINT and SIGTERM into an `Interrupted` after the running tool has ended. Returns what ends the watch.
 * @returns {() => void}
 */
export const watchInterrupts = () => {
  const onSignal = () => {
    wasInterrupted = true
    interruptTool?.()
  }
  process.on('SIGINT', onSignal)
  process.on('SIGTERM', onSignal)
  return () => {
    process.off('SIGINT', onSignal)
    process.off('SIGTERM', onSignal)
  }
}

/**
 * How to run a tool. `alone`: on Ctrl-C only the tool itself hears of it, not its children; apt-get then brings dpkg
 * to a good end.
 * @typedef {{ readonly env?: NodeJS.ProcessEnv, readonly alone?: boolean }} ToolOptions
 */

/**
 * Runs a tool in a session of its own, out of Ctrl-C's reach.
 * @param {string} command
 * @param {readonly string[]} args
 * @param {ToolOptions} options
 * @returns {Promise<{ readonly succeeded: boolean, readonly output: string }>}
 */
const runTool = (command, args, { env = {}, alone = false }) =>
  new Promise((resolve) => {
    /** @type {Buffer[]} */
    const chunks = []
    const child = spawn(command, args, {
      env: { ...process.env, NODE_OPTIONS: '', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    })
    interruptTool = () => {
      if (child.pid === undefined) return
      try {
        process.kill(alone ? child.pid : -child.pid, 'SIGINT')
      } catch {
        // It has just ended by itself.
      }
    }
    child.stdout.on('data', (chunk) => chunks.push(chunk))
    child.stderr.on('data', (chunk) => chunks.push(chunk))
    child.once('error', (error) => resolve({ succeeded: false, output: error.message }))
    child.once('close', (code) => resolve({ succeeded: code === 0, output: Buffer.concat(chunks).toString() }))
  })

/**
 * Runs a tool and prints one line with its duration; false if it failed.
 * @param {string} title
 * @param {string} command
 * @param {readonly string[]} args
 * @param {ToolOptions} [options]
 */
const tryStep = async (title, command, args, options = {}) => {
  if (wasInterrupted) throw new Interrupted()
  const begun = performance.now()
  process.stdout.write(`  ${title} … `)
  const { succeeded, output } = await runTool(command, args, options)
  interruptTool = undefined
  const seconds = ((performance.now() - begun) / secondMs).toFixed(1)
  if (wasInterrupted) {
    console.log('interrupted')
    throw new Interrupted()
  }
  console.log(succeeded ? `${seconds} s` : `failed after ${seconds} s`)
  return { succeeded, output }
}

/**
 * Runs a tool and prints one line with its duration. Throws `StepFailed` with the end of the tool's output.
 * @param {string} title
 * @param {string} command
 * @param {readonly string[]} args
 * @param {ToolOptions} [options]
 */
export const runStep = async (title, command, args, options) => {
  const { succeeded, output } = await tryStep(title, command, args, options)
  if (succeeded) return
  const said = output.trimEnd().split('\n').slice(-shownLines).join('\n')
  throw new StepFailed(`\n${said}\n\n${command} ${args.join(' ')} failed. Its last words are above.`)
}

/**
 * Runs a tool whose failure has a remedy; says whether it succeeded.
 * @param {string} title
 * @param {string} command
 * @param {readonly string[]} args
 * @param {ToolOptions} [options]
 */
export const attemptStep = async (title, command, args, options) =>
  (await tryStep(title, command, args, options)).succeeded
