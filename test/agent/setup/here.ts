// setup-user in this process, for an agent.yaml: two dozen of them cost no time.

import { parseArguments } from '../../../agent/commands/arguments.ts'
import { setupUser } from '../../../agent/commands/setup-user.ts'
import { loadConfig } from '../../../agent/config/load.ts'

/** Runs it with words as on the command line. */
export const setupHere = async (
  config: string,
  words: readonly string[],
): Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }> => {
  const invocation = parseArguments(['setup-user', '--config', config, ...words])
  const loaded = loadConfig(config, 'make')
  if (invocation.command !== 'setup-user') throw new Error(JSON.stringify(invocation))
  if (!loaded.ok) throw new Error(loaded.problems.join('\n'))
  const said = { stdout: '', stderr: '' }
  const code = await setupUser(loaded.config, config, invocation, {
    say: (text) => {
      said.stdout += text
    },
    complain: (text) => {
      said.stderr += text
    },
  })
  return { code, ...said }
}
