// HAProxy's agent-check: one line for everyone who connects, then the end.

import { createServer, type Socket } from 'node:net'
import type { HealthReport } from '../../shared/health-report.ts'
import type { AccessConfig } from '../config/schema.ts'
import type { IncidentLog } from '../log.ts'
import { createAdmission, sourceOf } from './admission.ts'
import { type AgentLineStyle, agentLine } from './core/agent-line.ts'
import { type ListenAddress, listenOn } from './listening.ts'
import { createPace } from './pace.ts'

/** What may change while the port is open. */
export type AgentCheckBounds = { readonly access: AccessConfig; readonly style: AgentLineStyle }

/** What is answered, to whom and where. */
export type AgentCheckSettings = AgentCheckBounds & {
  readonly listen: ListenAddress
  readonly report: () => Promise<HealthReport>
  readonly incident: IncidentLog
  readonly onAnswered: (line: string) => void
}

/** A listening agent-check port. */
export type AgentCheckServer = {
  readonly apply: (bounds: AgentCheckBounds) => void
  readonly stop: () => Promise<void>
}

/** A client that has its line and does not go. */
const patienceMillis = 5000
/** The same at the end of the agent, and for those whose line is not out yet. */
const graceMillis = 800

/** Starts to listen. Rejects with the system's error if the address is not to be had. */
export const startAgentCheck = async ({
  listen,
  report,
  incident,
  onAnswered,
  ...bounds
}: AgentCheckSettings): Promise<AgentCheckServer> => {
  let { style } = bounds
  const admission = createAdmission(bounds.access, (source) => incident('idle-evicted', { source }))
  const pace = createPace(bounds.access.rate_limit)
  const open = new Set<Socket>()
  // A client that has said all it has to say (nc </dev/null) gets its answer all the same.
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => undefined)
    const source = sourceOf(socket.remoteAddress)
    const refused = admission.enter(socket)
    if (refused !== null) {
      incident(refused, { source })
      return void socket.destroy()
    }
    open.add(socket)
    let patience: NodeJS.Timeout | undefined
    socket.once('close', () => {
      clearTimeout(patience)
      open.delete(socket)
    })
    // agent-send: read, so that the close resets nobody.
    socket.resume()
    const place = admission.placeOf(socket)
    place.busy()
    const reply = async (): Promise<void> => {
      const line = agentLine(await report(), style)
      if (socket.destroyed) return
      place.idle()
      socket.end(line)
      onAnswered(line)
      patience = setTimeout(() => socket.destroy(), patienceMillis)
    }
    const delay = pace.delay(source)
    if (delay === 0) return void reply()
    incident('delayed', { source })
    setTimeout(reply, delay).unref()
  })
  await listenOn(server, listen, (error) => incident('not-accepted', { error: error.message }))
  return {
    apply: (next) => {
      admission.apply(next.access)
      pace.apply(next.access.rate_limit)
      style = next.style
    },
    stop: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      const grace = setTimeout(() => {
        for (const socket of open) socket.destroy()
      }, graceMillis)
      await closed
      clearTimeout(grace)
    },
  }
}
