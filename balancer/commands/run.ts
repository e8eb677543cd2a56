// `balancer run`: the parent process, from its configuration to its end.

import { type LoadedConfig, loadConfig } from '../config/load.ts'
import { openLog } from '../log.ts'
import { notifySystemd } from '../os/systemd.ts'
import type { Farewell } from '../supervisor/absence.ts'
import { firstWord, isCandidate, tellPredecessor } from '../supervisor/generations.ts'
import { startSupervisor } from '../supervisor/supervisor.ts'
import { version } from '../version.ts'
import { adviceOf } from './advice.ts'
import { configProblems } from './exit.ts'
import { keepalivedRivals } from './rivals.ts'

type Loaded = Extract<LoadedConfig, { ok: true }>

/** Runs the balancer, or has it take over from the running one that has started it. Resolves at its end, with the exit code. */
export const run = async (file: string): Promise<number> => {
  if (isCandidate()) return takeOver(file)
  const loaded = loadConfig(file)
  if (loaded.ok) return supervise(file, loaded, 'founder')
  notifySystemd(`STATUS=Not started: ${loaded.problems[0]}`)
  return configProblems(loaded.problems)
}

/** Runs the parent process with a configuration, to its end. */
const supervise = async (file: string, loaded: Loaded, joinAs: 'founder' | 'successor'): Promise<number> => {
  process.title = 'balancer: supervisor'
  const { config: running, text, warnings } = loaded
  const { log, configure: configureLog, exit } = openLog('supervisor')
  configureLog(running.log)
  const rivals = keepalivedRivals(running.vrrp.instances)
  for (const warning of [...warnings, ...rivals.map(adviceOf)]) log.warn(warning)
  log.info({ version, config: file, pid: process.pid }, `Balancer ${version} starting with ${file}`)
  // Before the children are forked: a signal in between would end this process without a word to them.
  process.on('SIGTERM', () => supervisor.stop('SIGTERM'))
  process.on('SIGINT', () => supervisor.stop('SIGINT'))
  process.on('SIGHUP', () => void supervisor.reload())
  const supervisor = startSupervisor({ file, running, text, log, configureLog, farewellReady: loadFarewell(), joinAs })
  for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
    process.on(event, (error: unknown) => {
      log.fatal({ err: error }, 'The supervisor failed')
      supervisor.stop('a failure of the supervisor', 1)
    })
  }
  // Not before the processes are started: what it loads is no part of a start.
  const { watchHost } = await import('./host-watch.ts')
  const stopWatching = watchHost(supervisor, log, rivals)
  const code = await supervisor.ended
  stopWatching()
  return exit(code)
}

/** Takes over from the running program, with the configuration that runs there. */
const takeOver = async (file: string): Promise<number> => {
  const told = await firstWord()
  if (!told.ok) {
    await tellPredecessor([told.text])
    return 1
  }
  const loaded = loadConfig(file, undefined, told.text)
  if (loaded.ok) return supervise(file, loaded, 'successor')
  await tellPredecessor(loaded.problems)
  return configProblems(loaded.problems)
}

/** Loaded while all is well: what is needed when a process cannot be started must not have to be read from a disk then. */
const loadFarewell = async (): Promise<Farewell> => {
  const { sayFarewell } = await import('../vrrp/farewell.ts')
  return (config, masters, log, back) =>
    sayFarewell(
      config.vrrp,
      masters.map(({ name }) => name),
      log,
      back,
    )
}
