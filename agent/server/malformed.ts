// Requests that are none: what is wrong with them, and an answer that needs no parsed request.

import { STATUS_CODES } from 'node:http'
import type { Answer } from './core/response.ts'

/** How to refuse: the reason to count, the HTTP status and the text. */
export type Refused = { readonly reason: string; readonly status: number; readonly text: string }

/** The refusal for an error of the HTTP parser; null where the client has just gone away. */
export const refusalFor = (error: Error): Refused | null => {
  const code = 'code' in error ? String(error.code) : ''
  switch (code) {
    case 'ECONNRESET':
    case 'EPIPE':
      return null
    case 'HPE_HEADER_OVERFLOW':
      return { reason: 'header-too-large', status: 431, text: 'the header is too large' }
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return { reason: 'request-timeout', status: 408, text: 'the request did not arrive in time' }
    default:
      return { reason: 'malformed', status: 400, text: 'this is no HTTP request' }
  }
}

/** An answer as text, for a connection whose request could not be parsed. */
export const rawAnswer = ({ status, headers, body }: Answer): string => {
  const lines = Object.entries({ ...headers, Connection: 'close' }).map(([name, value]) => `${name}: ${value}\r\n`)
  return `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n${lines.join('')}\r\n${body}`
}
