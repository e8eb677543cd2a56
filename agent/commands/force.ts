// `fail` and `pass`: take the node out and bring it back by hand.

import { textOf } from '../core/error-text.ts'
import type { Millis } from '../core/time.ts'
import { removeForceFail, writeForceFail } from '../force-fail.ts'
import { forceFailText } from '../force-fail-text.ts'
import { type ExitStatus, exitStatus } from './exit.ts'

/** Creates the force-fail file with the reason in it; `lasts` is how long it holds, null until `pass`. */
export const fail = async (path: string, reason: string, lasts: Millis | null): Promise<ExitStatus> => {
  const until = lasts === null ? null : new Date(Date.now() + lasts)
  try {
    await writeForceFail(path, forceFailText(reason, until))
  } catch (error) {
    return complain(`cannot create ${path}`, error)
  }
  const end = until === null ? 'mysqlchk-agent pass' : `${until.toISOString()} or mysqlchk-agent pass`
  process.stdout.write(`Created ${path}. The agent answers 503 with the reason force-fail until ${end}.\n`)
  return exitStatus.ok
}

/** Removes the force-fail files; none there is fine too. */
export const pass = async (...paths: readonly string[]): Promise<ExitStatus> => {
  const gone: string[] = []
  for (const path of paths) {
    try {
      if (await removeForceFail(path)) gone.push(path)
    } catch (error) {
      return complain(`cannot remove ${path}`, error)
    }
  }
  const state = 'The agent answers by the state of the server'
  process.stdout.write(
    gone.length > 0
      ? `Removed ${gone.join(' and ')}. ${state} again.\n`
      : `There was no ${paths.join(' and no ')}. ${state}.\n`,
  )
  return exitStatus.ok
}

const complain = (what: string, error: unknown): ExitStatus => {
  const advice = 'Check what stands there and your rights in that directory.'
  process.stderr.write(`mysqlchk-agent: ${what}: ${textOf(error)}. ${advice}\n`)
  return exitStatus.failed
}
