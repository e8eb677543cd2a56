// `run`: the daemon, from the first probe to the clean stop, and through reloads.

import { type AgentConfig, loadConfig } from '../config/load.ts'
import { textOf } from '../core/error-text.ts'
import { startHealth } from '../health.ts'
import { type Listeners, openListeners } from '../listeners.ts'
import { createIncidentLog, createServerWordsLog, createStateLog, openLog } from '../log.ts'
import { createMetrics } from '../metrics.ts'
import { reasonLine } from '../server/core/bodies.ts'
import { findServiceManager } from '../service-manager.ts'
import { version } from '../version.ts'
import { type ExitStatus, exitStatus } from './exit.ts'
import { hearHangup } from './hangup.ts'

/** A loop that turns has ended a probe within this many times the longest that one may take to come. */
const probesMissed = 3

/** `systemctl status` tells why the service does not run, also where the log has gone on. */
export const refuseToRun = async (problems: readonly string[]): Promise<void> => {
  const manager = await findServiceManager(process.env, () => undefined)
  const more = problems.length > 1 ? ` (${problems.length} problems; mysqlchk-agent check lists them)` : ''
  manager.status(`Not started: ${problems[0] ?? ''}${more}`)
}

/**
 * Answers until SIGTERM or SIGINT. A port that another program has is waited for as a service; by hand that is no start, as
 * anything else that is wrong with an address is.
 */
export const run = async (path: string, config: AgentConfig, warnings: readonly string[]): Promise<ExitStatus> => {
  const { logger, close } = openLog(config.log)
  for (const warning of warnings) logger.warn(warning)
  const stopped = stopSignal()
  const hangup = hearHangup()
  // A bug: systemd starts us afresh, and the log must tell why.
  process.on('uncaughtException', (error) => {
    logger.fatal(error, 'Ending after an unexpected error')
    void close().then(() => process.exit(exitStatus.failed))
  })

  const manager = await findServiceManager(process.env, (text) => logger.warn(text))
  /** What `systemctl status` shows: why a port is not open yet, and the state of the node. */
  let waiting: readonly string[] = []
  let state = ''
  const showState = (): void => manager.status([...waiting, ...(state === '' ? [] : [state])].join('. '))
  const onWaiting = (why: readonly string[]): void => {
    for (const line of why) if (!waiting.includes(line)) logger.warn(`${line}. The agent waits for the port`)
    if (why.length < waiting.length) logger.info('The port is free: listening there now')
    waiting = why
    showState()
  }

  const metrics = createMetrics()
  const stateLog = createStateLog(logger)
  const serverWordsLog = createServerWordsLog(logger)
  const health = startHealth(config, {
    onProbe: (probe) => {
      metrics.probed(probe)
      serverWordsLog(probe)
    },
    onReport: (report) => {
      if (!stateLog(report)) return
      state = `Node is ${report.verdict === 'pass' ? 'UP' : 'DOWN'}, ${reasonLine(report)}`
      showState()
    },
  })
  const incidentLog = createIncidentLog(logger)
  let listeners: Listeners
  try {
    listeners = await openListeners(config, {
      sources: {
        report: health.report,
        metrics: async () => metrics.render(await health.report(), health.lost()),
      },
      onAnswered: metrics.answered,
      news: { sources: health, onEvent: metrics.eventSent, onCount: metrics.watching },
      onLine: metrics.lineSent,
      incident: (reason, fields) => {
        metrics.refused(reason)
        incidentLog(reason, fields)
      },
      ...(manager.isThere ? { onWaiting } : {}),
    })
  } catch (error) {
    process.stderr.write(`mysqlchk-agent: ${textOf(error)}\n`)
    health.stop()
    await close()
    return exitStatus.failed
  }

  let current = config
  const apply = async (): Promise<string> => {
    const loaded = loadConfig(path, 'read')
    for (const line of loaded.warnings) logger.warn(line)
    if (!loaded.ok) {
      for (const line of loaded.problems) logger.error(line)
      return `it has ${loaded.problems.length} problems`
    }
    try {
      await listeners.apply(loaded.config)
    } catch (error) {
      return textOf(error)
    }
    await health.apply(loaded.config)
    logger.level = loaded.config.log.level
    current = loaded.config
    return ''
  }
  const reload = async (): Promise<void> => {
    manager.reloading()
    const refused = await apply()
    if (refused === '') logger.info({ path }, 'Reloaded, the new configuration is in use')
    else logger.error({ path }, `Not reloaded, the old configuration stays: ${refused}`)
    manager.ready()
  }

  const { listen } = config
  const how = waiting.length === 0 ? 'listening on' : 'waiting for'
  logger.info({ ...addressOf(config), version }, `Started, ${how} ${listen.address}:${listen.port}`)
  manager.ready()
  hangup.answerWith(reload)
  manager.watch(() => {
    const { interval, timeout } = current.check
    return health.sinceProbe() < probesMissed * (interval + timeout)
  })
  const signal = await stopped
  logger.info({ signal }, `Stopping on ${signal}`)
  manager.stopping()
  await hangup.end()
  await listeners.stop()
  health.stop()
  logger.info('Stopped')
  await close()
  return exitStatus.ok
}

const stopSignal = (): Promise<NodeJS.Signals> =>
  new Promise((resolve) => {
    process.once('SIGTERM', resolve)
    process.once('SIGINT', resolve)
  })

const addressOf = ({ listen, agent_check }: AgentConfig) => ({
  address: listen.address,
  port: listen.port,
  tls: listen.tls !== null,
  agent_check_port: agent_check?.port ?? null,
})
