// What benchmarks of one lab begin and end with: their arguments, the lab, the exit code.

import { createLab, type Lab } from '../lab/lab.ts'

const exitUsage = 64

export const print = (line: string): void => void process.stdout.write(`${line}\n`)
export const messageOf = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).slice(0, 600)

/** What the command line wants. Where it is wrong, or wants `help` (then `parse` returns null), the process ends. */
export const wantedOrExit = <Wanted>(parse: (args: readonly string[]) => Wanted | null, help: string): Wanted => {
  try {
    const wanted = parse(process.argv.slice(2))
    if (wanted !== null) return wanted
    print(help)
    return process.exit(0)
  } catch (error) {
    process.stderr.write(`${messageOf(error)}\n\n${help}`)
    return process.exit(exitUsage)
  }
}

/** Runs `bench` in a lab, takes that down and ends the process: with 0 where it is true, and with 1 where it fails. */
export const runInLab = async (name: string, bench: (lab: Lab) => Promise<boolean>): Promise<never> => {
  const lab = await createLab({ name, log: print })
  let code = 1
  try {
    code = (await bench(lab)) ? 0 : 1
  } catch (error) {
    process.stderr.write(`${messageOf(error)}\n`)
  }
  await lab.destroy()
  return process.exit(code)
}
