// Short commands of the system: run to the end, output collected.

import { execFile } from 'node:child_process'
import { environment } from './environment.ts'

/** How a command ended; `code` is null when a signal ended it. */
export type CommandResult = { readonly code: number | null; readonly stdout: string; readonly stderr: string }

/** Text for the command's standard input, and variables beside those of this process. */
export type CommandOptions = { readonly input?: string; readonly env?: Readonly<Record<string, string>> }

const outputLimitBytes = 64 * 1024 * 1024

/** Runs a command to its end. Throws only if it could not be started. */
export const run = (
  command: string,
  args: readonly string[],
  { input, env }: CommandOptions = {},
): Promise<CommandResult> =>
  new Promise((resolve, reject) => {
    const options = { env: environment(env), maxBuffer: outputLimitBytes }
    const child = execFile(command, args, options, (error, stdout, stderr) => {
      if (error && typeof error.code !== 'number' && error.code !== null) {
        reject(new Error(`${command} could not be run: ${error.message}`))
        return
      }
      resolve({ code: child.exitCode, stdout, stderr })
    })
    // A command that ends without reading its input closes the pipe early; its exit code says what there is to say.
    child.stdin?.on('error', () => undefined)
    child.stdin?.end(input)
  })

/** Runs a command that has to succeed and returns its standard output; throws with what it said otherwise. */
export const mustRun = async (
  command: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<string> => {
  const { code, stdout, stderr } = await run(command, args, options)
  if (code === 0) return stdout
  const given = options.input === undefined ? '' : ` <<'${options.input.trim()}'`
  throw new Error(`${command} ${args.join(' ')}${given} ended with ${code}: ${(stderr || stdout).trim()}`)
}
