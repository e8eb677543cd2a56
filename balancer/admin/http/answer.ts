// How the status page answers: its headers, and what it says to a request that is refused.

import { createHash } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import { promisify } from 'node:util'
import { constants, gzip } from 'node:zlib'
import { liveScript } from '../core/views/page/script.ts'
import { styleSheet } from '../core/views/page/style.ts'

const hashed = (text: string): string => `'sha256-${createHash('sha256').update(text).digest('base64')}'`

/** Nothing is loaded but from here, and no style or script runs but ours. */
const policy = [
  `default-src 'none'`,
  `style-src ${hashed(styleSheet)}`,
  `script-src ${hashed(liveScript)}`,
  `img-src data:`,
  `connect-src 'self'`,
  `form-action 'self'`,
  `frame-ancestors 'none'`,
  `base-uri 'none'`,
].join('; ')

/** Of every answer. With `no-referrer` a browser would keep the origin of a form to itself, by which it is judged. */
export const securityHeaders = {
  'content-security-policy': policy,
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'same-origin',
  'cache-control': 'no-store',
} as const

/** Answers with a text, or with bytes of one. */
export const send = (
  response: ServerResponse,
  code: number,
  type: string,
  body: string | Buffer,
  headers: Readonly<Record<string, string>> = {},
): void => {
  response.writeHead(code, {
    ...securityHeaders,
    ...headers,
    'content-type': type.includes('charset') ? type : `${type}; charset=utf-8`,
    'content-length': Buffer.byteLength(body),
  })
  response.end(response.req.method === 'HEAD' ? undefined : body)
}

/** Less is sent as it is. */
const leastCompressed = 2048
const toGzip = promisify(gzip)

/** The same, compressed for who takes that. What is secret in it must be another text each time (BREACH). */
export const sendCompressed = async (
  response: ServerResponse,
  code: number,
  type: string,
  text: string,
): Promise<void> => {
  if (text.length < leastCompressed) return send(response, code, type, text)
  const vary = { vary: 'accept-encoding' }
  if (!takesGzip(response.req.headers['accept-encoding'])) return send(response, code, type, text, vary)
  // Another thread does it. More effort makes little of it smaller.
  const body = await toGzip(text, { level: constants.Z_BEST_SPEED })
  return send(response, code, type, body, { ...vary, 'content-encoding': 'gzip' })
}

/** RFC 9110 section 12.5.3: a coding is taken unless its weight is 0. */
const takesGzip = (accepted: string | string[] | undefined): boolean =>
  /(^|,)\s*gzip\s*(;(?!\s*q=0(\.0*)?\s*(,|$))|,|$)/i.test(`${accepted ?? ''}`)
