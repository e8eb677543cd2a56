// Database hosts that answer clients from the address of the balancers, prepared by the agent's own command.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Host } from './host.ts'
import { agentProgram as program } from './programs.ts'

/** Runs `mysqlchk-agent direct-return up` or `down` on a host with its agent.yaml; throws when it fails. */
export const directReturn = async (host: Host, what: 'up' | 'down', configFile: string): Promise<void> => {
  const { code, stderr } = await host.run(process.execPath, [program, 'direct-return', what, '--config', configFile])
  if (code !== 0) throw new Error(`mysqlchk-agent direct-return ${what} on ${host.name}: ${stderr}`)
}

/** The keys of agent.yaml for it. What the command remembers stands in `directory`: hosts of a lab share /run. */
export const directReturnKeys = (directory: string, address: string, port: number): string =>
  `direct_return: [{ address: ${address}, port: ${port} }]\ndirect_return_directory: ${directory}\n`

/** Prepares a host without an agent; the answer undoes it. `directory` is for its files alone. */
export const prepareDirectReturn = async (
  host: Host,
  directory: string,
  address: string,
  port: number,
): Promise<() => Promise<void>> => {
  const file = join(directory, 'agent.yaml')
  writeFileSync(file, directReturnKeys(directory, address, port))
  await directReturn(host, 'up', file)
  return () => directReturn(host, 'down', file)
}
