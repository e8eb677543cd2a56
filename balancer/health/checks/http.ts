// Checks a server over HTTP, usually by asking its agent (HAProxy: `option httpchk`, `http-check`).

import { Client, errors } from 'undici'
import { maximumReportBytes } from '../../../shared/health-report.ts'
import type { HttpCheckConfig } from '../../config/schema.ts'
import { type Expectation, judgeAnswer, readLeniently } from '../core/http-answer.ts'
import { failed, type Judgement } from '../core/result.ts'
import { exchange } from './exchange.ts'
import { codeOf, connectionFailure, noAnswer, noConnection, type Probe, startDeadline } from './probe.ts'

const refusedReason = 'agent-refused'

/**
 * A check of `address` with its kept connection. A server whose answer is no proper HTTP, such as the classic script's
 * under xinetd, is asked again at once by a reader that only needs the status line, and so from then on.
 */
export const createHttpProbe = (address: string, config: HttpCheckConfig): Probe => {
  const { port, path, method, timeout } = config
  const client = new Client(`http://${address}:${port}`, {
    connect: { timeout },
    keepAliveTimeout: Math.max(config.interval, config.down_interval ?? 0) * 2,
    headersTimeout: 0,
    bodyTimeout: 0,
    maxHeaderSize: maximumReportBytes,
    maxResponseSize: maximumReportBytes,
    pipelining: 1,
  })
  const own = new Set(Object.keys(config.headers).map((name) => name.toLowerCase()))
  const defaults = Object.entries(defaultHeaders).filter(([name]) => !own.has(name))
  const headers = { ...Object.fromEntries(defaults), ...config.headers }
  const { status, body_contains: bodyContains, body_matches: pattern } = config.expect
  const bodyMatches = pattern === undefined ? undefined : new RegExp(pattern)
  const expected: Expectation = { status, bodyContains, bodyMatches, drainOn404: config.drain_on_404 }
  let isMalformed = false

  const askProperly = async (): Promise<Judgement | 'malformed'> => {
    const deadline = new AbortController()
    const cancel = startDeadline(timeout, () => deadline.abort())
    try {
      const answer = await client.request({ path, method, headers, signal: deadline.signal })
      const contentType = answer.headers['content-type']
      const body = await answer.body.text()
      const told = typeof contentType === 'string' ? contentType.toLowerCase() : ''
      return judgeAnswer({ status: answer.statusCode, contentType: told, body }, expected)
    } catch (error) {
      if (deadline.signal.aborted) return noAnswer(timeout)
      if (error instanceof errors.ConnectTimeoutError) return noConnection(timeout)
      if (error instanceof errors.ResponseExceededMaxSizeError) return failed('L7RSP', 'invalid-answer', error.message)
      if (error instanceof errors.HTTPParserError || error instanceof errors.SocketError) return 'malformed'
      return connectionFailure(codeOf(error), port, refusedReason)
    } finally {
      cancel()
    }
  }

  const host = own.has('host') ? [] : [`Host: ${address}:${port}`]
  const lines = [...host, ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`), 'Connection: close']
  const request = `${method} ${path} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`
  const needsBody = bodyContains !== undefined || bodyMatches !== undefined
  const judge = (received: Buffer, isOver: boolean): Judgement | undefined => {
    const answer = readLeniently(received.toString('latin1'))
    if (answer === undefined) return isOver ? failed('L7RSP', 'invalid-answer', 'this is no HTTP') : undefined
    const wantsMore = needsBody || answer.contentType !== ''
    return wantsMore && !isOver ? undefined : judgeAnswer(answer, expected)
  }
  const askLeniently = () => exchange({ address, port, timeout, request, judge, refusedReason })

  return {
    run: async () => {
      if (isMalformed) return askLeniently()
      const judgement = await askProperly()
      if (judgement !== 'malformed') return judgement
      const again = await askLeniently()
      isMalformed = again.code !== null
      return again
    },
    close: () => void client.destroy(),
  }
}

const defaultHeaders: Readonly<Record<string, string>> = { accept: 'application/json', 'user-agent': 'balancer-check' }
