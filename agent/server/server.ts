// The HTTP server: reads requests within bounds, answers them, counts what is malformed.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { HealthReport } from '../../shared/health-report.ts'
import type { AccessConfig, ListenConfig } from '../config/schema.ts'
import type { IncidentLog } from '../log.ts'
import { createAdmission, sourceOf } from './admission.ts'
import type { BodyStyle } from './core/bodies.ts'
import { parseRequest } from './core/request.ts'
import { type Answer, answerTo, refusal } from './core/response.ts'
import { rawAnswer, refusalFor } from './malformed.ts'

/** What the server answers with and within which bounds. */
export type ServerSettings = {
  readonly listen: ListenConfig
  readonly access: AccessConfig
  readonly body: BodyStyle
  readonly report: () => Promise<HealthReport>
  readonly incident: IncidentLog
}

/** A listening server. */
export type HealthServer = {
  /** Stops to accept, lets answers under way out, and ends every connection within a second. */
  readonly stop: () => Promise<void>
}

const limits = {
  headerBytes: 8192,
  bodyBytes: 65_536,
  headersMillis: 5000,
  requestMillis: 10_000,
  idleMillis: 60_000,
  sweepMillis: 1000,
  graceMillis: 800,
} as const

/** Starts to listen. Rejects with the system's error if the address is not to be had. */
export const startServer = async (settings: ServerSettings): Promise<HealthServer> => {
  const { listen, access, incident } = settings
  const server = createServer({
    maxHeaderSize: limits.headerBytes,
    headersTimeout: limits.headersMillis,
    requestTimeout: limits.requestMillis,
    keepAliveTimeout: limits.idleMillis,
    connectionsCheckingInterval: limits.sweepMillis,
    // HAProxy's default check is `OPTIONS / HTTP/1.0` without a Host.
    requireHostHeader: false,
  })
  server.maxConnections = access.max_connections
  server.on('drop', (peer) => incident('too-many-connections', { source: sourceOf(peer?.remoteAddress) }))
  admit(server, settings)

  /** Answers still to be sent on a connection; a malformed request behind them must not spoil them. */
  const pending = new WeakMap<Duplex, number>()
  const spoiled = new WeakSet<Duplex>()
  server.on('request', (request, response) => {
    const { socket } = request
    pending.set(socket, (pending.get(socket) ?? 0) + 1)
    response.once('close', () => {
      const left = (pending.get(socket) ?? 1) - 1
      pending.set(socket, left)
      if (left === 0 && spoiled.has(socket)) socket.end()
    })
    readThrough(request, response, incident, () => {
      const asked = parseRequest(request.method ?? '', request.url ?? '', request.headers.accept ?? '')
      void answerTo(asked, settings.report, settings.body).then((answer) => {
        const isLast = spoiled.has(socket) || !server.listening
        send(response, isLast ? { ...answer, headers: { ...answer.headers, Connection: 'close' } } : answer)
      })
    })
  })
  server.on('clientError', (error, socket) => {
    const refused = refusalFor(error)
    // What follows the first fault on a connection is no news.
    if (refused === null || spoiled.has(socket)) return void socket.destroy()
    const source = 'remoteAddress' in socket ? sourceOf(String(socket.remoteAddress)) : ''
    incident(refused.reason, { source })
    spoiled.add(socket)
    if ((pending.get(socket) ?? 0) > 0) return
    if (socket.writable) socket.end(rawAnswer(refusal(refused.status, refused.text)))
    else socket.destroy()
  })

  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host: listen.address, port: listen.port, exclusive: true }, () => {
      server.off('error', reject)
      // Such as too many open files: the next connection may work again.
      server.on('error', (error) => incident('not-accepted', { error: error.message }))
      resolve()
    })
  })
  return { stop: () => stop(server) }
}

const admit = (server: Server, { access, incident }: ServerSettings): void => {
  const admission = createAdmission(access)
  server.on('connection', (socket) => {
    const source = sourceOf(socket.remoteAddress)
    const refused = admission.enter(source)
    if (refused === null) {
      socket.once('close', () => admission.leave(source))
      return
    }
    incident(refused, { source })
    socket.destroy()
  })
}

/** Reads a body to its end, so that closing does not reset the connection, and throws it away. */
const readThrough = (
  request: IncomingMessage,
  response: ServerResponse,
  incident: IncidentLog,
  done: () => void,
): void => {
  let bytes = 0
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes <= limits.bodyBytes || response.writableEnded) return
    incident('body-too-large', { source: sourceOf(request.socket.remoteAddress) })
    const answer = refusal(413, `a check needs no body; at most ${limits.bodyBytes} bytes are read`)
    send(response, { ...answer, headers: { ...answer.headers, Connection: 'close' } })
  })
  request.on('end', () => {
    if (!response.writableEnded) done()
  })
}

const send = (response: ServerResponse, { status, headers, body }: Answer): void => {
  response.writeHead(status, headers).end(body)
}

const stop = async (server: Server): Promise<void> => {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()))
  server.closeIdleConnections()
  const grace = setTimeout(() => server.closeAllConnections(), limits.graceMillis)
  await closed
  clearTimeout(grace)
}
