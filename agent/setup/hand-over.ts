// The agent's service takes the password: systemd copied it at the service's start.

import { statSync } from 'node:fs'
import { unitOf } from '../config/places.ts'
import { hasSystemd, restart, runningSince } from '../os/systemctl.ts'

/** Restarts the service of a configuration where the file is newer than its start; tells what was done, or what is to do. */
export const handOver = async (config: string, file: string): Promise<string> => {
  const unit = unitOf(config)
  if (unit === null || !hasSystemd()) return `An agent that runs with ${config} takes the password at its next start.`
  const since = await runningSince(unit)
  if (since === null) return `The agent does not run yet: systemctl enable --now ${unit}`
  if (statSync(file).mtimeMs < since.getTime()) return `${unit} has the password.`
  const refused = await restart(unit)
  return refused === null
    ? `Restarted ${unit}: it has the password now.`
    : `${unit} was not restarted: ${refused}. Run: systemctl restart ${unit}`
}
