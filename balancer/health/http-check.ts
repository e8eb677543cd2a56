// One HTTP check of a server through its agent (HAProxy: `option httpchk`): ask, read the report, judge.

import { performance } from 'node:perf_hooks'
import { Client, errors } from 'undici'
import { maximumReportBytes, parseHealthReport } from '../../shared/health-report.ts'
import type { CheckConfig } from '../config/schema.ts'
import type { CheckStatus } from '../pool/core/facts.ts'

/** The result of one check. `malformedReport` tells why a body that claimed to be a report was none. */
export type CheckResult = {
  readonly passed: boolean
  readonly hard: boolean
  readonly status: CheckStatus
  readonly httpStatus: number | null
  readonly durationMs: number
  readonly reason: string
  readonly text: string
  readonly malformedReport: 'too-long' | 'not-json' | 'wrong-shape' | null
}

/** A checker of one server with its kept connection. */
export type HttpCheck = { readonly run: () => Promise<CheckResult>; readonly close: () => Promise<void> }

/** The agent at `address:port` is asked for `path`; status 2xx and 3xx pass. Each run ends within `timeout`. */
export const createHttpCheck = (address: string, config: CheckConfig): HttpCheck => {
  const client = new Client(`http://${address}:${config.port}`, {
    connect: { timeout: config.timeout },
    keepAliveTimeout: config.interval * 2,
    headersTimeout: 0,
    bodyTimeout: 0,
    maxHeaderSize: maximumReportBytes,
    maxResponseSize: maximumReportBytes,
    pipelining: 1,
  })
  const request = { path: config.path, method: 'GET' as const, headers }

  const run = async (): Promise<CheckResult> => {
    const started = performance.now()
    const deadline = new AbortController()
    const timer = setTimeout(() => deadline.abort(), config.timeout)
    const durationMs = () => Math.round(performance.now() - started)
    try {
      const { statusCode, headers, body } = await client.request({ ...request, signal: deadline.signal })
      const text = await body.text()
      return judge(statusCode, headers['content-type'], text, durationMs())
    } catch (error) {
      return failure(error, deadline.signal.aborted, config, durationMs())
    } finally {
      clearTimeout(timer)
    }
  }
  return { run, close: () => client.destroy() }
}

const headers = { accept: 'application/json', 'user-agent': 'balancer-check' }

const judge = (httpStatus: number, contentType: unknown, body: string, durationMs: number): CheckResult => {
  const passed = httpStatus >= 200 && httpStatus < 400
  const status: CheckStatus = passed ? 'L7OK' : 'L7STS'
  const plain = { passed, status, httpStatus, durationMs, hard: false, reason: passed ? 'ok' : 'http-status' }
  if (typeof contentType !== 'string' || !contentType.startsWith('application/json')) {
    return { ...plain, text: `HTTP status ${httpStatus}`, malformedReport: null }
  }
  const parsed = parseHealthReport(body)
  if (!parsed.ok) return { ...plain, text: `HTTP status ${httpStatus}`, malformedReport: parsed.reason }
  const { reason, certainty } = parsed.report
  const hard = !passed && certainty === 'hard'
  return { ...plain, hard, reason: reason.code, text: reason.text, malformedReport: null }
}

const failure = (error: unknown, timedOut: boolean, config: CheckConfig, durationMs: number): CheckResult => {
  const result = { passed: false, hard: false, httpStatus: null, durationMs, malformedReport: null }
  if (timedOut) return { ...result, status: 'L7TOUT', reason: 'timeout', text: `no answer within ${config.timeout} ms` }
  if (error instanceof errors.ConnectTimeoutError) {
    return { ...result, status: 'L4TOUT', reason: 'timeout', text: `no connection within ${config.timeout} ms` }
  }
  if (error instanceof errors.HTTPParserError || error instanceof errors.ResponseExceededMaxSizeError) {
    return { ...result, status: 'L7RSP', reason: 'invalid-answer', text: error.message }
  }
  const code = error instanceof Error && 'code' in error ? String(error.code) : String(error)
  if (code === 'ECONNREFUSED') {
    return { ...result, status: 'L4CON', reason: 'agent-refused', text: `nothing listens on port ${config.port}` }
  }
  if (code === 'EHOSTUNREACH' || code === 'ENETUNREACH') {
    return { ...result, status: 'L4CON', reason: 'unreachable', text: 'the host cannot be reached' }
  }
  return { ...result, status: 'SOCKERR', reason: 'connection-lost', text: `the connection broke (${code})` }
}
