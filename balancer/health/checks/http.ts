// Checks a server over HTTP or HTTPS, usually by asking its agent (HAProxy: `option httpchk`, `http-check`, `check-ssl`).

import type { Dispatcher } from 'undici'
// Not the whole module: fetch and the rest, which nothing here uses, take longer to load than all else of this process.
import * as errors from 'undici/lib/core/errors.js'
import Client from 'undici/lib/dispatcher/client.js'
import { maximumReportBytes } from '../../../shared/health-report.ts'
import { watchPath } from '../../../shared/health-stream.ts'
import { compilePattern } from '../../config/body-pattern.ts'
import type { HttpCheckConfig } from '../../config/schema.ts'
import { type Endpoint, endpointText } from '../../core/endpoint.ts'
import { codeOf } from '../../core/error-text.ts'
import type { Millis } from '../../core/time.ts'
import { type Expectation, judgeAnswer, judgeNews, readLeniently } from '../core/http-answer.ts'
import { failed, type Judgement } from '../core/result.ts'
import { type Line, plainDialer, tlsDialer } from './dialer.ts'
import { exchange } from './exchange.ts'
import { noConnection, type Probe, silentAt, startDeadline, type WatchedProbe } from './probe.ts'

const refusedReason = 'agent-refused'
/** With all that belongs to no body and is told to no handler: provisional answers, extensions of chunks, trailers. */
const maximumBytes = 8 * maximumReportBytes
const tooLong = failed('L7RSP', 'invalid-answer', 'the answer is too long')

/**
 * A check of `address` with its kept connection. A server whose answer is no proper HTTP, such as the classic script's
 * under xinetd, is asked again at once by a reader that only needs the status line, and so from then on. `directReturn`: see
 * `Expectation`. Throws `FailedStart` where a file of its tls cannot be read or used.
 */
export const createHttpProbe = (
  address: string,
  config: HttpCheckConfig,
  directReturn: readonly Endpoint[] = [],
): Probe => {
  const { port, path, method, timeout, tls } = config
  const endpoint = { address, port }
  const dialer = tls === undefined ? plainDialer(endpoint, refusedReason) : tlsDialer(endpoint, tls, refusedReason)
  let hear: (bytesRead: number) => void = () => {}
  let line: Line | null = null
  /** Whether nothing was heard on it so far. */
  let isSilent = true
  /** Why it could not be opened. */
  let unopened: Judgement | null = null
  const open = (): Client =>
    new Client(`http://${endpointText({ address, port })}`, {
      // TLS is none of the client's business: to it, this is a connection as any other.
      connect: (_, callback) => {
        isSilent = true
        unopened = null
        const mine = dialer.dial(
          () => {
            mine.socket.on('readable', () => hear(mine.socket.bytesRead))
            callback(null, mine.socket)
          },
          (judgement) => {
            if (line === mine) unopened = judgement
            callback(new Error(judgement.reason), null)
          },
        )
        line = mine
      },
      keepAliveTimeout: Math.max(config.interval, config.down_interval ?? 0) * 2,
      headersTimeout: 0,
      bodyTimeout: 0,
      maxHeaderSize: maximumReportBytes,
      pipelining: 1,
    })
  let client = open()
  /** The client ends what is open; it has not got the rest. */
  const end = (): void => {
    if (line?.stage() !== 'open') line?.socket.destroy()
    line = null
    void client.destroy()
  }
  const renew = (): void => {
    end()
    client = open()
  }
  const own = new Set(Object.keys(config.headers).map((name) => name.toLowerCase()))
  const defaults = Object.entries(defaultHeaders).filter(([name]) => !own.has(name))
  const headers = { ...Object.fromEntries(defaults), ...config.headers }
  const { status, body_contains: bodyContains, body_matches: pattern } = config.expect
  const compiled = pattern === undefined ? undefined : compilePattern(pattern)
  const bodyMatches = compiled?.ok ? compiled.pattern : undefined
  const expected: Expectation = {
    status,
    bodyContains,
    bodyMatches,
    drainOn404: config.drain_on_404,
    weightFromReport: config.weight_from_report,
    directReturn,
  }
  let isMalformed = false
  let isOffered: boolean | null = null

  /** One request without promises or abort signals: they would cost more than the request. */
  const askProperly = (connectWithin: Millis): Promise<Judgement | 'malformed' | 'no-report'> =>
    new Promise((resolve) => {
      const chunks: Buffer[] = []
      let controller: Dispatcher.DispatchController | undefined
      let [statusCode, contentType, bytes] = [0, '', 0]
      const settle = (judgement: Judgement | 'malformed' | 'no-report'): void => {
        cancel()
        cancelConnecting?.()
        hear = () => {}
        resolve(judgement)
      }
      const giveUp = (judgement: Judgement): void => {
        settle(judgement)
        if (controller === undefined) renew()
        else {
          controller.abort(new Error(judgement.reason))
        }
      }
      const cancel = startDeadline(timeout, () => giveUp(silentAt(line?.stage() ?? 'connecting', port, timeout)))
      const cancelConnecting =
        connectWithin < timeout
          ? startDeadline(connectWithin, () => {
              if (line?.stage() === 'connecting') giveUp(noConnection(port, connectWithin))
            })
          : undefined
      let bytesBefore: number | undefined
      hear = (bytesRead) => {
        bytesBefore ??= bytesRead
        if (bytesRead - bytesBefore > maximumBytes) giveUp(tooLong)
      }
      const request = { path, method, headers }
      client.dispatch(request, {
        onRequestStart: (started) => {
          controller = started
        },
        onResponseStart: (_, code, told) => {
          const type = told['content-type']
          isSilent = false
          statusCode = code
          isOffered = told[watchHeader] === watchPath
          contentType = typeof type === 'string' ? type.toLowerCase() : ''
        },
        onResponseData: (_, chunk) => {
          chunks.push(chunk)
          bytes += chunk.length
          if (bytes > maximumReportBytes) giveUp(tooLong)
        },
        onResponseEnd: () => {
          const body = Buffer.concat(chunks).toString()
          // An agent answers with text whom it has not heard for 300 ms: whoever has just started may be that late.
          if (directReturn.length > 0 && !contentType.startsWith('application/json')) return settle('no-report')
          settle(judgeAnswer({ status: statusCode, contentType, body }, expected))
        },
        onResponseError: (_, error) => settle(judgeError(error)),
      })
    })
  const judgeError = (error: Error): Judgement | 'malformed' => {
    if (unopened !== null) return unopened
    if (error instanceof errors.HeadersOverflowError) return tooLong
    const isMalformed = error instanceof errors.HTTPParserError || error instanceof errors.SocketError
    return isMalformed ? 'malformed' : dialer.brokenBy(codeOf(error), isSilent)
  }

  const host = own.has('host') ? [] : [`Host: ${endpointText({ address, port })}`]
  const lines = [...host, ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`), 'Connection: close']
  const request = `${method} ${path} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`
  const needsBody = bodyContains !== undefined || bodyMatches !== undefined
  const judge = (received: Buffer, isOver: boolean): Judgement | undefined => {
    const answer = readLeniently(received.toString('latin1'))
    if (answer === undefined) return isOver ? strange(received) : undefined
    const wantsMore = needsBody || answer.contentType !== ''
    return wantsMore && !isOver ? undefined : judgeAnswer(answer, expected)
  }
  const strange = (received: Buffer): Judgement =>
    (received.length === 0 ? dialer.silence() : null) ??
    failed('L7RSP', 'invalid-answer', strangeness(received, dialer.isEncrypted))
  const askLeniently = () => exchange({ dialer, port, timeout, request, judge })

  const watch: WatchedProbe = {
    source: { address, port, dialer, path, headers, heartbeat: config.watch_heartbeat, timeout },
    isOffered: () => isOffered,
    judge: ({ status, report }) => judgeNews(status, report, expected),
    renew,
  }

  return {
    // What a body has to say can only be asked for.
    ...(config.watch && !needsBody ? { watch } : {}),
    run: async (connectWithin = timeout) => {
      isOffered = null
      // A kept connection would go on for months with a certificate that nobody would take now.
      if (line?.isOutlived()) renew()
      if (isMalformed) return askLeniently()
      const judgement = await askProperly(connectWithin)
      if (judgement === 'no-report') return askLeniently()
      if (judgement !== 'malformed') return judgement
      const again = await askLeniently()
      isMalformed = again.code !== null
      return again
    },
    close: end,
  }
}

/** TLS begins with the type of a record: an alert, or a handshake. */
const tlsRecords = [0x15, 0x16]

/** What came instead of HTTP. */
const strangeness = ([first]: Buffer, isEncrypted: boolean): string => {
  if (isEncrypted) return 'this is no HTTP, though it is TLS'
  const tls = 'write tls into the check, or take listen.tls out of agent.yaml there'
  if (first === undefined) return `it closed the connection without an answer; if it wants TLS: ${tls}`
  return tlsRecords.includes(first) ? `this is TLS, and the check speaks plain HTTP: ${tls}` : 'this is no HTTP'
}

const defaultHeaders: Readonly<Record<string, string>> = { accept: 'application/json', 'user-agent': 'balancer-check' }
/** An agent that has a stream says so in each answer. */
const watchHeader = 'mysqlchk-watch'
