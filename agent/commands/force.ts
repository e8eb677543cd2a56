// `fail` and `pass`: take the node out and bring it back by hand.

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

/** Removes the force-fail file; none there is fine too. */
export const pass = async (path: string): Promise<ExitStatus> => {
  try {
    const removed = await removeForceFail(path)
    process.stdout.write(
      removed
        ? `Removed ${path}. The agent answers by the state of the server again.\n`
        : `There was no ${path}. The agent answers by the state of the server.\n`,
    )
  } catch (error) {
    return complain(`cannot remove ${path}`, error)
  }
  return exitStatus.ok
}

const complain = (what: string, error: unknown): ExitStatus => {
  const why = error instanceof Error ? error.message : String(error)
  process.stderr.write(`mysqlchk-agent: ${what}: ${why}. Check what stands there and your rights in that directory.\n`)
  return exitStatus.failed
}
