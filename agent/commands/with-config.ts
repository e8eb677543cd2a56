// Loads the configuration for a command, or prints every problem and ends with the status for that.

import { type AgentConfig, loadConfig } from '../config/load.ts'
import type { Secrets } from '../config/login.ts'
import { type ExitStatus, exitStatus } from './exit.ts'

/**
 * Runs a command with the configuration at `path`. Warnings are handed over, problems go to stderr, and to `refused` for
 * who has more to do about them.
 */
export const withConfig = async (
  path: string,
  secrets: Secrets,
  command: (config: AgentConfig, warnings: readonly string[]) => ExitStatus | Promise<ExitStatus>,
  refused: (problems: readonly string[]) => Promise<void> = async () => undefined,
): Promise<ExitStatus> => {
  const loaded = loadConfig(path, secrets)
  if (loaded.ok) return command(loaded.config, loaded.warnings)
  for (const line of [...loaded.problems, ...loaded.warnings]) process.stderr.write(`${line}\n`)
  await refused(loaded.problems)
  return exitStatus.config
}
