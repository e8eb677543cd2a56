// Opens the connections of a check: over TCP, and TLS on it where the check wants that (HAProxy: `check-ssl`).

import { createHash } from 'node:crypto'
import { connect, isIP, type Socket } from 'node:net'
import { checkServerIdentity, connect as connectTls, createSecureContext, type TLSSocket } from 'node:tls'
import { type CheckTlsPaths, readCheckTls } from '../../config/check-tls.ts'
import type { CheckTlsConfig } from '../../config/schema.ts'
import type { Endpoint } from '../../core/endpoint.ts'
import { codeOf } from '../../core/error-text.ts'
import { FailedStart } from '../../core/failed-start.ts'
import type { Judgement } from '../core/result.ts'
import { endedAfterTls, type ShownCertificate, tlsFailed } from '../core/tls-failure.ts'
import { connectionFailure } from './probe.ts'

/** How far a connection is; `open` when something can be said. */
export type Stage = 'connecting' | 'handshake' | 'open'

/** A connection that is made, or was. Who gets it listens for its errors from `onOpen` on. */
export type Line = {
  readonly socket: Socket
  readonly stage: () => Stage
  /** Whether the certificate shown at its beginning is valid no longer. */
  readonly isOutlived: () => boolean
}

/** Opens connections to one place. */
export type Dialer = {
  /** The same for two that trust and show the same. */
  readonly key: string
  readonly isEncrypted: boolean
  /** One of the two is called, once; nothing if the socket is destroyed before. */
  readonly dial: (onOpen: () => void, onFailure: (judgement: Judgement) => void) => Line
  /** What broke an open connection; `isSilent` where nothing had been heard on it. */
  readonly brokenBy: (code: string, isSilent: boolean) => Judgement
  /** What a connection says of the server that ended without a word; null where that says nothing more. */
  readonly silence: () => Judgement | null
}

const keepAlive = { keepAlive: true, keepAliveInitialDelay: 60_000 }

/** Connections without TLS. `refusedReason` is told where nobody listens. */
export const plainDialer = ({ address, port }: Endpoint, refusedReason?: string): Dialer => ({
  key: '',
  isEncrypted: false,
  dial: (onOpen, onFailure) => {
    const socket = connect({ host: address, port, noDelay: true, ...keepAlive })
    let isOpen = false
    socket.once('connect', () => {
      isOpen = true
      onOpen()
    })
    socket.on('error', (error) => {
      if (!isOpen) onFailure(connectionFailure(codeOf(error), port, refusedReason))
    })
    return { socket, stage: () => (isOpen ? 'open' : 'connecting'), isOutlived: () => false }
  },
  brokenBy: (code) => connectionFailure(code, port, refusedReason),
  silence: () => null,
})

/**
 * Connections with TLS 1.2 or later, each with a handshake of its own: none goes on with a session of an earlier one, whose
 * certificate nobody would look at. Throws `FailedStart` where a file cannot be read or used.
 */
export const tlsDialer = ({ address, port }: Endpoint, tls: CheckTlsConfig, refusedReason?: string): Dialer => {
  const { verify, server_name: name = address, ...paths } = tls
  const files = filesOf(paths)
  const secureContext = createSecureContext({ ...files, minVersion: 'TLSv1.2' })
  const [hasAuthority, hasCertificate] = [files.ca !== undefined, files.cert !== undefined]
  const sni = isIP(name) === 0 ? { servername: name } : {}
  const failure = (code: string, certificate: ShownCertificate | null): Judgement =>
    tlsFailed({ code, port, name, hasAuthority, hasCertificate, certificate })

  const dial: Dialer['dial'] = (onOpen, onFailure) => {
    let stage: Stage = 'connecting'
    let isRefused = false
    let validUntil = Number.POSITIVE_INFINITY
    const socket = connectTls({
      host: address,
      port,
      secureContext,
      ...sni,
      ...keepAlive,
      // Judged below, where the certificate can still be quoted; nothing is said before.
      rejectUnauthorized: false,
      checkServerIdentity: (_, certificate) => (verify === true ? checkServerIdentity(name, certificate) : undefined),
    })
    socket.setNoDelay(true)
    socket.once('connect', () => {
      stage = 'handshake'
    })
    socket.once('secureConnect', () => {
      const certificate = shown(socket)
      if (verify !== false && !socket.authorized) {
        isRefused = true
        socket.destroy()
        onFailure(failure(String(socket.authorizationError), certificate))
        return
      }
      if (verify !== false && certificate !== null) validUntil = Date.parse(certificate.validTo)
      stage = 'open'
      onOpen()
    })
    socket.on('error', (error) => {
      if (stage === 'connecting') onFailure(connectionFailure(codeOf(error), port, refusedReason))
      else if (stage === 'handshake' && !isRefused) onFailure(failure(codeOf(error), null))
    })
    return { socket, stage: () => stage, isOutlived: () => validUntil < Date.now() }
  }
  return {
    key: JSON.stringify([verify, name, printOf(files)]),
    isEncrypted: true,
    dial,
    brokenBy: (code, isSilent) => {
      if (code.startsWith('ERR_SSL_')) return failure(code, null)
      const isEnded = code === 'ECONNRESET' || code === 'EPIPE'
      return isEnded && isSilent ? endedAfterTls(port, hasCertificate) : connectionFailure(code, port, refusedReason)
    },
    silence: () => endedAfterTls(port, hasCertificate),
  }
}

type Files = Extract<ReturnType<typeof readCheckTls>, { readonly ok: true }>['files']

const filesOf = (paths: CheckTlsPaths): Files => {
  const read = readCheckTls(paths)
  if (!read.ok) throw new FailedStart(`${read.at} in the tls of an http check: ${read.problem}`)
  return read.files
}

const printOf = ({ ca, cert, key }: Files): string => {
  const hash = createHash('sha256')
  for (const file of [ca, cert, key]) hash.update(file ?? '').update('\0')
  return hash.digest('base64')
}

const shown = (socket: TLSSocket): ShownCertificate | null => {
  const certificate = socket.getPeerCertificate()
  // Node has an empty object where there is none.
  if (certificate?.valid_to === undefined) return null
  const { subjectaltname: names, issuer, valid_from: validFrom, valid_to: validTo } = certificate
  const signer = issuer?.CN ?? issuer?.O
  return {
    names,
    issuer: signer === undefined ? undefined : String(signer),
    validFrom,
    validTo,
    isOver: Date.parse(validTo) < Date.now(),
  }
}
