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

/** Why a handshake failed and what to do, from what OpenSSL says; its own words where nothing more is known. */
export const handshakeFailure = (error: Error): string => {
  const known = handshakeFailures.find(([pattern]) => pattern.test(error.message))
  return known?.[1] ?? (/SSL routines:[^:]*:([^:]+)/.exec(error.message)?.[1] || error.message)
}

const handshakeFailures = [
  [/http request/, 'it speaks plain HTTP, and this port speaks TLS: ask https://'],
  [/alert certificate expired/, 'it says that listen.tls.certificate has expired: renew it'],
  [
    /alert unknown ca|alert bad certificate/,
    'it does not trust listen.tls.certificate: give it the authority that signed it',
  ],
  [/peer did not return a certificate/, 'it has no certificate, and listen.tls.client_ca asks for one'],
  [/certificate verify failed/, 'its certificate is none of listen.tls.client_ca, or has expired'],
  [/unsupported protocol|no shared cipher/, 'it speaks no version or cipher of TLS that is safe: TLS 1.2 is the least'],
] as const

/** An answer as text, for a connection whose request could not be parsed. */
export const rawAnswer = ({ status, headers, body }: Answer): string => {
  const lines = Object.entries({ ...headers, Connection: 'close' }).map(([name, value]) => `${name}: ${value}\r\n`)
  return `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n${lines.join('')}\r\n${body}`
}
