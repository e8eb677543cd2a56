// `direct-return up | down | status`: prepares this host for listeners whose servers answer clients themselves.

import { readFileSync } from 'node:fs'
import { type DirectReturnConfig, directReturnAt } from '../config/direct-return.ts'
import { type AgentConfig, loadConfig } from '../config/load.ts'
import { directReturnDirectory } from '../config/schema.ts'
import { codeOf, textOf } from '../core/error-text.ts'
import { firewallLines } from '../direct-return/core/firewall.ts'
import { isEmpty } from '../direct-return/core/memory.ts'
import { keeperIn } from '../direct-return/core/standing.ts'
import { statusText } from '../direct-return/core/status-text.ts'
import { readMemory, readStanding } from '../direct-return/files.ts'
import { hostMillis, lookOnly, makeRound, type Round } from '../direct-return/round.ts'
import { listChains } from '../os/nft.ts'
import { type ExitStatus, exitStatus } from './exit.ts'

const say = (text: string): void => void process.stdout.write(`${text}\n`)
const complain = (text: string): void => void process.stderr.write(`mysqlchk-agent: ${text}\n`)

/** The process that keeps things in place, other than this one; null where there is none. */
const livingKeeper = (config: DirectReturnConfig): number | null => {
  const keeper = keeperIn(readStanding(config), hostMillis())
  if (keeper === null || keeper === process.pid) return null
  try {
    process.kill(keeper, 0)
    return keeper
  } catch (error) {
    return codeOf(error) === 'EPERM' ? keeper : null
  }
}

const round = async (...[config, entries, keeper]: Parameters<typeof makeRound>): Promise<Round | null> => {
  try {
    return await makeRound(config, entries, keeper)
  } catch (error) {
    complain(`cannot write in ${config.directory}: ${textOf(error)}; run it as root`)
    return null
  }
}

/** Puts everything in place once. What is not in place afterwards is told, and is a failure. */
export const up = async ({ direct_return: config }: AgentConfig, path: string): Promise<ExitStatus> => {
  const made = await round(config, config.entries, null)
  if (made === null) return exitStatus.failed
  for (const { text } of made.done) say(text)
  for (const failure of made.failures) complain(failure)
  const lacking = made.standing.entries.filter(({ missing }) => missing.length > 0)
  for (const { address, missing } of lacking) complain(`${address} is not ready: ${missing.join('; ')}`)
  if (config.entries.length === 0) {
    complain(
      `${path} has no direct_return: there is nothing to prepare; write direct_return: [{ address: …, port: … }]`,
    )
    return exitStatus.config
  }
  if (lacking.length > 0 || made.failures.length > 0) return exitStatus.failed
  say(`Prepared for direct return. Nobody repairs it; for that: ${config.commands.prepare}`)
  return exitStatus.ok
}

/** Undoes what was put in place, whatever the configuration says by now, and also where it is wrong. */
export const down = async (path: string): Promise<ExitStatus> => {
  const loaded = loadConfig(path, 'skip')
  const config = loaded.ok ? loaded.config.direct_return : directReturnAt(path, directoryIn(path))
  const keeper = livingKeeper(config)
  if (keeper !== null) {
    const stop = config.unit === null ? `kill ${keeper}` : `systemctl stop ${config.unit}`
    complain(`process ${keeper} would put it back in place; run: ${stop}`)
    return exitStatus.failed
  }
  const made = await round(config, [], null)
  if (made === null) return exitStatus.failed
  for (const { text } of made.done) say(text)
  for (const failure of made.failures) complain(failure)
  if (made.failures.length > 0) return exitStatus.failed
  say(made.done.length === 0 ? 'There was nothing to undo.' : 'This host is as it was.')
  return exitStatus.ok
}

/** Where a file with mistakes says that it is written down what is in place. */
const directoryIn = (path: string): string => {
  try {
    const written = /^direct_return_directory:\s*["']?(\/[^\s"'#]+)/m.exec(readFileSync(path, 'utf8'))
    return written?.[1] ?? directReturnDirectory
  } catch {
    return directReturnDirectory
  }
}

/** Looks at this host. Passes where everything that is written is in place. */
export const status = async (
  { direct_return: config, listen }: AgentConfig,
  path: string,
  json: boolean,
): Promise<ExitStatus> => {
  const standing = await lookOnly(config)
  const keeper = livingKeeper(config)
  const isReady = standing.entries.every(({ missing }) => missing.length === 0)
  if (json) {
    const entries = config.entries.map((entry, i) => {
      const { missing = [], sent = null } = standing.entries[i] ?? {}
      return {
        address: entry.address,
        port: entry.port,
        server_port: entry.serverPort,
        ready: missing.length === 0,
        missing,
        sent,
      }
    })
    say(JSON.stringify({ version: 1, keeper, entries }, null, 2))
  } else if (config.entries.length === 0) {
    say(`${path} has no direct_return: nothing is to be prepared.`)
    if (!isEmpty(readMemory(config))) say(`Something is in place from before; ${config.commands.down} undoes it.`)
  } else {
    const chains = await listChains()
    const doors = { servers: config.entries.map(({ serverPort }) => serverPort), agent: listen.port }
    const notes = firewallLines(chains.ok ? chains.value : '', doors)
    process.stdout.write(statusText({ entries: config.entries, standing, keeper, commands: config.commands, notes }))
  }
  return isReady ? exitStatus.ok : exitStatus.failed
}

/** Whether something else keeps this configuration in place already. */
export const refuseSecond = (config: DirectReturnConfig): boolean => {
  const keeper = livingKeeper(config)
  if (keeper !== null) complain(`process ${keeper} looks after it already`)
  return keeper !== null
}
