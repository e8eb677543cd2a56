// HAProxy's agent-check: one line for everyone who connects, then the end.

import { createServer } from 'node:net'
import type { HealthReport } from '../../shared/health-report.ts'
import type { AccessConfig } from '../config/schema.ts'
import type { IncidentLog } from '../log.ts'
import { createAdmission, sourceOf } from './admission.ts'
import { type AgentLineStyle, agentLine } from './core/agent-line.ts'
import { type ListenAddress, listenOn } from './listening.ts'

/** What may change while the port is open. */
export type AgentCheckBounds = { readonly access: AccessConfig; readonly style: AgentLineStyle }

/** What is answered, to whom and where. */
export type AgentCheckSettings = AgentCheckBounds & {
  readonly listen: ListenAddress
  readonly report: () => Promise<HealthReport>
  readonly incident: IncidentLog
}

/** A listening agent-check port. */
export type AgentCheckServer = {
  readonly apply: (bounds: AgentCheckBounds) => void
  readonly stop: () => Promise<void>
}

const patienceMillis = 5000

/** Starts to listen. Rejects with the system's error if the address is not to be had. */
export const startAgentCheck = async ({
  listen,
  report,
  incident,
  ...bounds
}: AgentCheckSettings): Promise<AgentCheckServer> => {
  let { style } = bounds
  const admission = createAdmission(bounds.access, (source) => incident('idle-evicted', { source }))
  // A client that has said all it has to say (nc </dev/null) gets its answer all the same.
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => undefined)
    const refused = admission.enter(socket)
    if (refused !== null) {
      incident(refused, { source: sourceOf(socket.remoteAddress) })
      return void socket.destroy()
    }
    socket.setTimeout(patienceMillis, () => socket.destroy())
    // agent-send: read, so that the close resets nobody.
    socket.resume()
    void report().then((now) => socket.end(agentLine(now, style)))
  })
  await listenOn(server, listen, (error) => incident('not-accepted', { error: error.message }))
  return {
    apply: (next) => {
      admission.apply(next.access)
      style = next.style
    },
    stop: () => new Promise((resolve) => server.close(() => resolve())),
  }
}
