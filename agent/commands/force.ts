// `fail` and `pass`: take the node out and bring it back by hand.

import { removeForceFail, writeForceFail } from '../force-fail.ts'
import { type ExitStatus, exitStatus } from './exit.ts'

/** Creates the force-fail file with the reason in it. */
export const fail = async (path: string, reason: string): Promise<ExitStatus> => {
  try {
    await writeForceFail(path, reason)
  } catch (error) {
    return complain(`cannot create ${path}`, error)
  }
  process.stdout.write(`Created ${path}. The agent answers 503 with the reason force-fail until mysqlchk-agent pass.\n`)
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
  process.stderr.write(`mysqlchk-agent: ${what}: ${why}. Check the directory and your rights there.\n`)
  return exitStatus.failed
}
