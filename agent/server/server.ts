// The HTTP server: reads requests within bounds, answers them, counts what is malformed.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { GoodbyeReason } from '../../shared/health-stream.ts'
import type { AccessConfig } from '../config/schema.ts'
import type { TlsMaterial } from '../config/tls-files.ts'
import type { IncidentLog } from '../log.ts'
import { createAdmission, type Place, sourceOf } from './admission.ts'
import type { BodyStyle } from './core/bodies.ts'
import { type Asked, parseRequest } from './core/request.ts'
import { type Answer, type AnswerSources, answerTo, refusal, unaskedAnswer, watchAnswer } from './core/response.ts'
import { placeFront } from './front.ts'
import { type ListenAddress, listenOn } from './listening.ts'
import { handshakeFailure, rawAnswer, refusalFor } from './malformed.ts'
import { createPace } from './pace.ts'
import { createSingleAnswers } from './single-answer.ts'
import { createWatchers, type News } from './watchers.ts'

/** What may change while the server listens. `isTolerant`: everybody is answered, as by the scripts under xinetd. */
export type ServerBounds = { readonly access: AccessConfig; readonly body: BodyStyle; readonly isTolerant: boolean }

/** What the server answers with and within which bounds. */
export type ServerSettings = ServerBounds & {
  readonly listen: ListenAddress & { readonly tls: TlsMaterial | null }
  readonly sources: AnswerSources
  readonly incident: IncidentLog
  readonly onAnswered: (asked: Asked, status: number) => void
  /** What streams are made of; without it there are none. */
  readonly news?: News
  /** How long a connection may lie idle, in milliseconds; a minute unless given. */
  readonly idle?: number
}

/** A listening server. */
export type HealthServer = {
  /** Takes over other bounds; connections stay. */
  readonly apply: (bounds: ServerBounds) => void
  /** Takes over other certificates, for handshakes to come. */
  readonly renewCertificates: (tls: TlsMaterial) => void
  /** Where it listens, also where the system chose the port. */
  readonly port: () => number
  /** Stops to accept, lets answers under way out, and ends every connection within a second; who watches is told why. */
  readonly stop: (why?: GoodbyeReason) => Promise<void>
}

const limits = {
  headerBytes: 8192,
  bodyBytes: 65_536,
  handshakeMillis: 5000,
  headersMillis: 5000,
  requestMillis: 10_000,
  idleMillis: 60_000,
  sweepMillis: 1000,
  graceMillis: 800,
  pipelined: 64,
} as const

const httpOptions = {
  maxHeaderSize: limits.headerBytes,
  headersTimeout: limits.headersMillis,
  requestTimeout: limits.requestMillis,
  connectionsCheckingInterval: limits.sweepMillis,
  // HAProxy's default check is `OPTIONS / HTTP/1.0` without a Host.
  requireHostHeader: false,
}

/** Starts to listen. Rejects with the system's error if the address is not to be had. */
export const startServer = async (settings: ServerSettings): Promise<HealthServer> => {
  const { listen, sources, incident, onAnswered, news, idle = limits.idleMillis } = settings
  let { body: style, isTolerant } = settings
  const tlsServer =
    listen.tls === null
      ? null
      : createTlsServer({ ...httpOptions, ...listen.tls, handshakeTimeout: limits.handshakeMillis })
  const server: Server = tlsServer ?? createServer(httpOptions)
  // A client that does not read its answer is let go like one that does not send its request.
  server.timeout = idle
  server.keepAliveTimeout = idle
  // A client that has said all that it has to say (nc -N) gets its answer all the same.
  Object.assign(server, { httpAllowHalfOpen: true })
  const admission = createAdmission(settings.access, (source) => incident('idle-evicted', { source }))
  const pace = createPace(settings.access.rate_limit)
  const watchers = news === undefined ? undefined : createWatchers(news, incident)
  const singles = createSingleAnswers({ admission, pace, incident })
  const answerSingly = (socket: Socket, target: string | null): void =>
    singles.answer(socket, async () => {
      const asked = parseRequest('GET', target ?? '/', '', true)
      const answer = await (target === null ? unaskedAnswer(sources, style) : answerTo(asked, sources, style))
      onAnswered(asked, answer.status)
      return answer
    })
  const front = placeFront(server, tlsServer === null ? 'connection' : 'secureConnection', {
    isTolerant: () => isTolerant,
    answer: answerSingly,
  })
  server.prependListener('connection', (socket) => {
    const refused = admission.enter(socket)
    if (refused === null) return
    incident(refused, { source: sourceOf(socket.remoteAddress) })
    socket.destroy()
  })
  /** Where something came that is no request: the answers that are owed go out, and then the connection ends. */
  const spoiled = new WeakSet<Duplex>()
  tlsServer?.prependListener('tlsClientError', (error, socket) => {
    // A client that just goes away before its handshake is a port scan at most.
    if (refusalFor(error) === null) return
    incident('tls-handshake', { source: sourceOf(socket.remoteAddress), error: handshakeFailure(error) })
    // Node says the same once more, as if it had been a request.
    spoiled.add(socket)
  })

  const exchanges = new WeakMap<Duplex, Exchange>()
  /** Where that was the first thing said, and is answered all the same. */
  const single = new WeakSet<Duplex>()
  server.on('request', (request, response) => {
    const { socket } = request
    const exchange: Exchange = exchanges.get(socket) ?? {
      place: admission.placeOf(socket),
      pending: 0,
      answering: 0,
      newest: null,
    }
    exchanges.set(socket, exchange)
    exchange.pending += 1
    exchange.newest = request
    if (exchange.pending > limits.pipelined) {
      incident('too-many-pipelined', { source: sourceOf(socket.remoteAddress) })
      return void socket.destroy()
    }
    let isRead = false
    response.once('close', () => {
      exchange.pending -= 1
      if (!isRead) return
      exchange.answering -= 1
      if (exchange.answering > 0) return
      exchange.place.idle()
      if (spoiled.has(socket)) socket.end()
    })
    const reply = (): void => {
      if (response.destroyed) return
      const asked = parseRequest(request.method ?? '', request.url ?? '', request.headers.accept ?? '', isTolerant)
      if (asked.asks === 'watch' && request.method === 'GET' && watchers !== undefined) {
        onAnswered(asked, watchAnswer.status)
        const source = sourceOf(socket.remoteAddress)
        return void watchers.open({ response, source, asked, makesRoom: exchange.place.watching })
      }
      void answerTo(asked, sources, style).then((answer) => {
        const isLast = spoiled.has(socket) || !server.listening
        send(response, isLast ? closing(answer) : answer)
        onAnswered(asked, answer.status)
      })
    }
    readThrough(request, response, incident, () => {
      isRead = true
      exchange.answering += 1
      exchange.place.busy()
      const delay = pace.delay(sourceOf(socket.remoteAddress))
      if (delay === 0) return reply()
      incident('delayed', { source: sourceOf(socket.remoteAddress) })
      setTimeout(reply, delay).unref()
    })
  })
  // An expectation that nobody has to meet: the check is answered all the same.
  server.on('checkExpectation', (request, response) => server.emit('request', request, response))
  server.on('clientError', (error, socket) => {
    const refused = refusalFor(error)
    // Its answer is on the way; what follows the fault is read and thrown away.
    if (single.has(socket)) return
    // What follows the first fault on a connection is no news.
    if (refused === null || spoiled.has(socket)) return void socket.destroy()
    const source = 'remoteAddress' in socket ? sourceOf(String(socket.remoteAddress)) : ''
    incident(refused.reason, { source })
    spoiled.add(socket)
    const exchange = exchanges.get(socket)
    if (exchange !== undefined && owesAnswer(exchange)) return
    const target = isTolerant && exchange === undefined ? front.heardOn(socket) : null
    if (target !== null && socket instanceof Socket && socket.writable) {
      single.add(socket)
      return answerSingly(socket, target)
    }
    if (socket.writable) socket.end(rawAnswer(refusal(refused.status, refused.text)))
    else socket.destroy()
  })

  await listenOn(server, listen, (error) => incident('not-accepted', { error: error.message }))
  return {
    apply: (bounds) => {
      admission.apply(bounds.access)
      watchers?.keep(admission.isAllowed)
      pace.apply(bounds.access.rate_limit)
      style = bounds.body
      isTolerant = bounds.isTolerant
    },
    port: () => {
      const address = server.address()
      return address !== null && typeof address === 'object' ? address.port : listen.port
    },
    renewCertificates: (tls) => tlsServer?.setSecureContext(tls),
    stop: (why = 'stopping') => {
      watchers?.end(why)
      front.stop()
      singles.stop(limits.graceMillis)
      return stop(server)
    },
  }
}

/** What is under way on one connection. */
type Exchange = {
  readonly place: Place
  /** Requests that have no answer yet. */
  pending: number
  /** Those of them that were read to their end. */
  answering: number
  newest: IncomingMessage | null
}

/** A malformed or slow request behind others must not spoil their answers; one that is alone has none to come. */
const owesAnswer = ({ pending, answering, newest }: Exchange): boolean =>
  answering > 0 || (pending > 0 && newest?.complete === true)

/** Reads a body to its end, so that closing does not reset the connection, and throws it away. */
const readThrough = (
  request: IncomingMessage,
  response: ServerResponse,
  incident: IncidentLog,
  done: () => void,
): void => {
  if (!hasBody(request)) {
    done()
    return
  }
  let bytes = 0
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes <= limits.bodyBytes || response.writableEnded) return
    incident('body-too-large', { source: sourceOf(request.socket.remoteAddress) })
    send(response, closing(refusal(413, `a check needs no body; at most ${limits.bodyBytes} bytes are read`)))
  })
  request.on('end', () => {
    if (!response.writableEnded) done()
  })
}

/** RFC 9112, section 6.3. */
const hasBody = ({ headers }: IncomingMessage): boolean =>
  headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0

const closing = (answer: Answer): Answer => ({ ...answer, headers: { ...answer.headers, Connection: 'close' } })

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
