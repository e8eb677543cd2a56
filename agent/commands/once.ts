// `once`: one probe, and the answer that a client of the daemon would get.

import { STATUS_CODES } from 'node:http'
import type { AgentConfig } from '../config/load.ts'
import { startHealth } from '../health.ts'
import { createMetrics } from '../metrics.ts'
import { type ServerWord, serverWords } from '../probe/core/server-words.ts'
import { parseRequest } from '../server/core/request.ts'
import { answerTo } from '../server/core/response.ts'
import { type ExitStatus, exitStatus } from './exit.ts'

/** Prints the answer, or with `json` the report alone. Passes where the status is 200. */
export const once = async (config: AgentConfig, path: string, json: boolean): Promise<ExitStatus> => {
  const counts = createMetrics()
  let said: readonly ServerWord[] = []
  const health = startHealth(config, {
    onReport: () => undefined,
    onProbe: (probe) => {
      counts.probed(probe)
      said = serverWords(probe.outcome)
    },
  })
  const metrics = async () => counts.render(await health.report(), health.lost())
  const asked = parseRequest('GET', path, json ? 'application/json' : '', config.response.compatibility)
  const { status, headers, body } = await answerTo(asked, { report: health.report, metrics }, config.response.body)
  health.stop()
  if (!json) {
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\n`)
    process.stdout.write(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\n${lines.join('')}\n`)
  }
  process.stdout.write(body)
  // For who runs this by hand, and not for those who ask over the network.
  for (const { about, said: text } of status === 200 ? [] : said)
    process.stderr.write(`The server said of ${about}: ${text}\n`)
  return status === 200 ? exitStatus.ok : exitStatus.failed
}
