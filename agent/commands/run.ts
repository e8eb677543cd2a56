// `run`: the daemon, from the first probe to the clean stop.

import type { AgentConfig } from '../config/load.ts'
import { startHealth } from '../health.ts'
import { createIncidentLog, createStateLog, openLog } from '../log.ts'
import { startServer } from '../server/server.ts'
import { version } from '../version.ts'
import { type ExitStatus, exitStatus } from './exit.ts'

/** Answers until SIGTERM or SIGINT. Does not start where the address cannot be had. */
export const run = async (config: AgentConfig, warnings: readonly string[]): Promise<ExitStatus> => {
  const { listen, access, response } = config
  const { logger, flush } = openLog(config.log)
  for (const warning of warnings) logger.warn(warning)
  const stopped = stopSignal()
  process.on('SIGHUP', () => logger.warn('SIGHUP ignored: this version does not reload; restart it to apply a change'))
  // A bug: systemd starts us afresh, and the log must tell why.
  process.on('uncaughtException', (error) => {
    logger.fatal(error, 'Ending after an unexpected error')
    flush()
    process.exit(exitStatus.failed)
  })

  const health = startHealth(config, createStateLog(logger))
  try {
    const incident = createIncidentLog(logger)
    const server = await startServer({ listen, access, body: response.body, report: health.report, incident })
    logger.info({ ...listen, version }, `Started, listening on ${listen.address}:${listen.port}`)
    const signal = await stopped
    logger.info({ signal }, `Stopping on ${signal}`)
    await server.stop()
    logger.info('Stopped')
    return exitStatus.ok
  } catch (error) {
    process.stderr.write(`mysqlchk-agent: ${startFailure(error, listen.address, listen.port)}\n`)
    return exitStatus.failed
  } finally {
    health.stop()
    flush()
  }
}

const stopSignal = (): Promise<NodeJS.Signals> =>
  new Promise((resolve) => {
    process.once('SIGTERM', resolve)
    process.once('SIGINT', resolve)
  })

const startFailure = (error: unknown, address: string, port: number): string => {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  const where = `cannot listen on ${address}:${port}`
  switch (code) {
    case 'EADDRINUSE':
      return `${where}: another program has that port. See which with: ss -ltnp 'sport = :${port}'`
    case 'EADDRNOTAVAIL':
      return `${where}: this host does not have that address. Correct listen.address, or use 0.0.0.0`
    case 'EACCES':
      return `${where}: no permission. A port below 1024 needs root or CAP_NET_BIND_SERVICE; 9222 does not`
    default:
      return `${where}: ${String(error)}`
  }
}
