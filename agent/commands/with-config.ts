// Loads the configuration for a command, or prints every problem and ends with the status for that.

import { type AgentConfig, loadConfig } from '../config/load.ts'
import type { Secrets } from '../config/login.ts'
import { type ExitStatus, exitStatus } from './exit.ts'

/** Runs a command with the configuration at `path`. Warnings are handed over, problems go to stderr. */
export const withConfig = async (
  path: string,
  secrets: Secrets,
  command: (config: AgentConfig, warnings: readonly string[]) => ExitStatus | Promise<ExitStatus>,
): Promise<ExitStatus> => {
  const loaded = loadConfig(path, secrets)
  if (loaded.ok) return command(loaded.config, loaded.warnings)
  for (const line of [...loaded.problems, ...loaded.warnings]) process.stderr.write(`${line}\n`)
  return exitStatus.config
}
