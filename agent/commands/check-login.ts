// `check --login`: the configuration is valid, and what it says lets the agent in.

import type { AgentConfig } from '../config/load.ts'
import { startHealth } from '../health.ts'
import { serverWords } from '../probe/core/server-words.ts'
import { reasonLine } from '../server/core/bodies.ts'
import { type ExitStatus, exitStatus } from './exit.ts'

/** Probes once; passes where the server let the agent in, whatever it told then. */
export const checkLogin = async (config: AgentConfig): Promise<ExitStatus> => {
  let isIn = false
  let said = ''
  const health = startHealth(config, {
    onReport: () => undefined,
    onProbe: ({ outcome }) => {
      isIn = outcome.kind === 'answered'
      said = serverWords(outcome)[0]?.said ?? ''
    },
  })
  const report = await health.report()
  health.stop()
  if (isIn) {
    process.stdout.write(
      `The login works. ${report.verdict === 'pass' ? 'The node is up' : `The node is down, ${reasonLine(report)}`}.\n`,
    )
    return exitStatus.ok
  }
  process.stderr.write(
    `The login does not work: ${reasonLine(report)}${said === '' ? '' : `. The server said: ${said}`}\n`,
  )
  return exitStatus.failed
}
