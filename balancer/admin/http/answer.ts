// How the status page answers: its headers, and what it says to a request that is refused.

import { createHash } from 'node:crypto'
import type { ServerResponse } from 'node:http'
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

/** Answers with a text. */
export const send = (
  response: ServerResponse,
  code: number,
  type: string,
  body: string,
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
