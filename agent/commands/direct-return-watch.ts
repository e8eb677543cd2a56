// `direct-return up --watch`: puts everything in place, stays, and repairs what somebody takes away.

import { performance } from 'node:perf_hooks'
import type { Logger } from 'pino'
import type { DirectReturnConfig } from '../config/direct-return.ts'
import { type AgentConfig, loadConfig } from '../config/load.ts'
import { textOf } from '../core/error-text.ts'
import { makeRound, type Round } from '../direct-return/round.ts'
import { openLog } from '../log.ts'
import { reasonOfStop } from '../os/systemctl.ts'
import { findServiceManager } from '../service-manager.ts'
import { version } from '../version.ts'
import { type ExitStatus, exitStatus } from './exit.ts'
import { hearHangup } from './hangup.ts'

const pauseMillis = 2000
/** What somebody takes away again and again is one line in this time. */
const quietMillis = 60_000

/**
 * Stays until SIGTERM or SIGINT; SIGHUP takes a changed configuration over. Everything is undone where an operator has
 * systemd stop the unit. It stays where the unit is restarted or the host goes down: sessions hang on it.
 */
export const watchDirectReturn = async (
  path: string,
  initial: AgentConfig,
  warnings: readonly string[],
): Promise<ExitStatus> => {
  const { logger, close } = openLog(initial.log)
  for (const warning of warnings) logger.warn(warning)
  const stopped = stopSignal()
  const hangup = hearHangup()
  const manager = await findServiceManager(process.env, (text) => logger.warn(text))
  let config: DirectReturnConfig = initial.direct_return
  let turnedAt = performance.now()
  const tell = createTeller(logger)
  let hasWritten = false
  const look = async (isFirst: boolean): Promise<void> => {
    try {
      const made = await makeRound(config, config.entries, process.pid)
      tell(made, isFirst)
      hasWritten = true
      manager.status(statusLine(made))
    } catch (error) {
      tell(textOf(error), isFirst)
    }
    turnedAt = performance.now()
  }

  // One at a time: a round and a reload must not meet.
  let turn: Promise<void> = look(true)
  const next = (work: () => Promise<void>): Promise<void> => {
    turn = turn.then(work)
    return turn
  }
  await turn
  if (!hasWritten) {
    await close()
    return exitStatus.failed
  }
  logger.info(
    { version, path, listeners: config.entries.length },
    'Started, this host is kept prepared for direct return',
  )
  manager.ready()
  manager.watch(() => performance.now() - turnedAt < quietMillis)
  const timer = setInterval(() => void next(() => look(false)), pauseMillis)
  hangup.answerWith(() =>
    next(async () => {
      manager.reloading()
      const loaded = loadConfig(path, 'skip')
      for (const line of loaded.ok ? loaded.warnings : loaded.problems) logger.warn(line)
      if (loaded.ok) {
        config = loaded.config.direct_return
        logger.level = loaded.config.log.level
        await look(true)
        logger.info({ path }, 'Reloaded, the new configuration is in use')
      } else {
        logger.error({ path }, `Not reloaded, the old configuration stays: it has ${loaded.problems.length} problems`)
      }
      manager.ready()
    }),
  )

  const signal = await stopped
  clearInterval(timer)
  manager.stopping()
  await hangup.end()
  await turn
  const why = manager.isThere && config.unit !== null ? await reasonOfStop(`${config.unit}.service`) : null
  let status: ExitStatus = exitStatus.ok
  if (why === 'stop') {
    const made = await makeRound(config, [], null)
    tell(made, true)
    if (made.failures.length > 0) status = exitStatus.failed
    logger.info({ signal }, 'Stopped, this host is as it was')
  } else {
    // Nobody will look after it, and it is in place all the same.
    if (why === null) await makeRound(config, config.entries, null)
    const what = why === null ? `; ${config.commands.down} undoes it` : ` (${why})`
    logger.info({ signal }, `Stopped, everything stays in place${what}`)
  }
  await close()
  return status
}

/** Says what was done and what does not work, each once while it lasts. */
const createTeller = (logger: Logger): ((made: Round | string, isFirst: boolean) => void) => {
  const saidAt = new Map<string, number>()
  const once = (text: string, level: 'info' | 'warn' | 'error'): void => {
    const now = performance.now()
    if (now - (saidAt.get(text) ?? Number.NEGATIVE_INFINITY) < quietMillis) return
    if (saidAt.size > 1000) saidAt.clear()
    saidAt.set(text, now)
    logger[level](text)
  }
  return (made, isFirst) => {
    if (typeof made === 'string') return once(made, 'error')
    for (const { text } of made.done) {
      if (isFirst) logger.info(text)
      else once(`Put in place again: ${text}`, 'warn')
    }
    for (const failure of made.failures) once(failure, 'error')
    for (const { address, port, missing } of made.standing.entries) {
      if (missing.length > 0) once(`${address} port ${port} is not ready: ${missing.join('; ')}`, 'warn')
    }
  }
}

const statusLine = ({ standing: { entries } }: Round): string => {
  const lacking = entries.filter(({ missing }) => missing.length > 0)
  if (entries.length === 0) return 'Nothing to prepare: direct_return is not written'
  return lacking.length === 0
    ? `Prepared: ${entries.map(({ address, port }) => `${address} port ${port}`).join(', ')}`
    : lacking.map(({ address, port, missing }) => `${address} port ${port}: ${missing.join('; ')}`).join('. ')
}

const stopSignal = (): Promise<NodeJS.Signals> =>
  new Promise((resolve) => {
    process.once('SIGTERM', resolve)
    process.once('SIGINT', resolve)
  })
