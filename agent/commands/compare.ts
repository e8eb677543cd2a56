// `compare`: the script that xinetd runs today and the agent, asked the same, before the port changes hands.

import { accessSync, constants, readFileSync } from 'node:fs'
import { ask } from '../compare/ask.ts'
import { agree, type Compared, comparisonTable, type Heard, isCutShort } from '../compare/core/comparison.ts'
import { parseRequestLine, type Request, usualRequests } from '../compare/core/requests.ts'
import { type Script, startInetd } from '../compare/inetd.ts'
import type { AgentConfig } from '../config/load.ts'
import { startHealth } from '../health.ts'
import { openListeners } from '../listeners.ts'
import { createMetrics } from '../metrics.ts'
import { type ExitStatus, exitStatus } from './exit.ts'

/** Longer than a script that waits for its own time limits. */
const patienceMillis = 15_000
/** A script that does not read its request resets the connection, now and then before its answer was read. */
const tries = 5

/** Prints both answers to each request; `requests` is a file with one a line, null for the usual ones. */
export const compare = async (config: AgentConfig, script: Script, requests: string | null): Promise<ExitStatus> => {
  let lines: readonly string[]
  try {
    accessSync(script.file, constants.X_OK)
    lines =
      requests === null
        ? usualRequests
        : readFileSync(requests, 'utf8')
            .replace(/\r?\n$/, '')
            .split(/\r?\n/)
  } catch (error) {
    return complain(`${String(error)}. Name the program of server = in xinetd's file, and a file that can be read`)
  }
  const counts = createMetrics()
  const health = startHealth(config, { onReport: () => undefined, onProbe: counts.probed })
  const metrics = async () => counts.render(await health.report(), health.lost())
  const port = { address: '127.0.0.1', port: 0, tls: null }
  const local = { ...config, listen: port, agent_check: null, access: { ...config.access, allow: [], deny: [] } }
  const listeners = await openListeners(local, {
    sources: { report: health.report, metrics },
    onAnswered: () => undefined,
    onLine: () => undefined,
    incident: () => undefined,
  })
  const failures = new Set<string>()
  const inetd = await startInetd(script, (text) => failures.add(text))
  const all: Compared[] = []
  for (const request of lines.map(parseRequestLine)) {
    const theirs = await askScript(inetd.port, request)
    const ours = await ask(listeners.port(), request, patienceMillis)
    all.push({ name: request.name, script: theirs, agent: ours })
  }
  inetd.stop()
  health.stop()
  await listeners.stop()
  for (const text of failures) complain(text)
  process.stdout.write(comparisonTable(all))
  const differing = all.filter((one) => !agree(one)).length
  process.stdout.write(differing === 0 ? 'All alike.\n' : `${differing} of ${all.length} differ.\n`)
  return differing === 0 && failures.size === 0 ? exitStatus.ok : exitStatus.failed
}

const askScript = async (port: number, request: Request): Promise<Heard> => {
  let heard = await ask(port, request, patienceMillis)
  for (let i = 1; i < tries && isCutShort(heard); i += 1) {
    const again = await ask(port, request, patienceMillis)
    if (again.text.length > heard.text.length) heard = again
  }
  return heard
}

const complain = (text: string): ExitStatus => {
  process.stderr.write(`mysqlchk-agent: ${text}\n`)
  return exitStatus.failed
}
