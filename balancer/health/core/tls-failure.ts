// What a failure of TLS says of the two sides of an HTTP check, and which of them to change. Codes are those of OpenSSL and Node.

import { failed, type Judgement } from './result.ts'

/** What is known when TLS with a server failed. `certificate` is what it showed, where it came that far. */
export type TlsFailure = {
  readonly code: string
  readonly port: number
  /** The name that the check compares. */
  readonly name: string
  readonly hasAuthority: boolean
  readonly hasCertificate: boolean
  readonly certificate: ShownCertificate | null
}

/** Of a certificate what an operator needs to find it. The times are as it has them; `isOver` when it is valid no longer. */
export type ShownCertificate = {
  readonly names: string | undefined
  readonly issuer: string | undefined
  readonly validFrom: string
  readonly validTo: string
  readonly isOver: boolean
}

/** The layer between TCP and HTTP did not come about (HAProxy: L6RSP). */
export const tlsFailed = (failure: TlsFailure): Judgement => failed('L6RSP', 'tls-failed', wordsFor(failure))

const notTls =
  /^ERR_SSL_(WRONG_VERSION_NUMBER|HTTP_REQUEST|HTTPS_PROXY_REQUEST|PACKET_LENGTH_TOO_LONG|RECORD_LAYER_FAILURE|UNEXPECTED_MESSAGE|BAD_RECORD_TYPE|UNKNOWN_PROTOCOL)$/
const refusals =
  /^ERR_SSL_(TLSV13_ALERT_CERTIFICATE_REQUIRED|\w*ALERT_(UNKNOWN_CA|\w*CERTIFICATE\w*|HANDSHAKE_FAILURE|ACCESS_DENIED))$/
const untrusted =
  /^(DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_(GET_ISSUER_CERT(_LOCALLY)?|VERIFY_LEAF_SIGNATURE)|CERT_SIGNATURE_FAILURE|CERT_UNTRUSTED|INVALID_CA)$/
/** The system's word for a connection that the other side ended. */
const ended = /^(ECONNRESET|EPIPE)$/

const plainThere = 'take tls out of the check, or write listen.tls into agent.yaml there'

/** Longest part of a certificate that is quoted: it is the other side's word. */
const longestQuote = 200

const wordsFor = (failure: TlsFailure): string => {
  const { code, port, name, hasAuthority, certificate } = failure
  const which = `the certificate on port ${port}`
  if (notTls.test(code)) return `what is on port ${port} speaks no TLS: ${plainThere}`
  if (ended.test(code)) return `port ${port} ended the connection before TLS stood; if it speaks none: ${plainThere}`
  if (refusals.test(code)) return certificateRefused(failure)
  if (untrusted.test(code)) {
    const issuer = certificate?.issuer === undefined ? '' : ` (${quoted(certificate.issuer)} has)`
    return hasAuthority
      ? `the ca of the check has not signed ${which}${issuer}: write the authority that has into tls.ca of the check`
      : `${which} is of no authority that is known here${issuer}: write that authority into tls.ca of the check`
  }
  switch (code) {
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      return `${which} is for another name (${quoted(certificate?.names ?? 'it has none')}), not ${name}: write a name that it has into tls.server_name of the check, or verify: ca`
    case 'CERT_HAS_EXPIRED':
      return certificate?.isOver
        ? `${which} expired on ${certificate.validTo}: renew it there, then reload the agent`
        : `an authority above ${which} has expired: renew it there and in tls.ca of the check`
    case 'CERT_NOT_YET_VALID':
      return `${which} is valid from ${certificate?.validFrom ?? 'later'} on: look at it, and at the clocks of both hosts`
    default:
      return /PROTOCOL|VERSION/.test(code)
        ? `what is on port ${port} has no version of TLS from 1.2 on`
        : `TLS with port ${port} failed (${quoted(code)})`
  }
}

const certificateRefused = ({ port, hasCertificate }: Pick<TlsFailure, 'port' | 'hasCertificate'>): string =>
  hasCertificate
    ? `port ${port} refuses the certificate of the check: tls.certificate has to be signed by listen.tls.client_ca of the agent there, and not expired`
    : `port ${port} wants a certificate of the check: write certificate and key into its tls, signed by listen.tls.client_ca of the agent there`

/**
 * A connection that ended without a word once TLS stood: a server that does not like a certificate may end it so, without an
 * alert.
 */
export const endedAfterTls = (port: number, hasCertificate: boolean): Judgement =>
  failed(
    'L6RSP',
    'tls-failed',
    `${certificateRefused({ port, hasCertificate })} (it ended the connection without an answer)`,
  )

const quoted = (text: string): string => (text.length > longestQuote ? `${text.slice(0, longestQuote)}...` : text)
