// The certificate, key and client CA that listen.tls names, read in and tried.

import { X509Certificate } from 'node:crypto'
import { createSecureContext } from 'node:tls'
import { textOf } from '../core/error-text.ts'
import type { Finding, Written } from './document.ts'
import type { Secrets } from './login.ts'
import { type OnPemFinding, readPemFile } from './pem-file.ts'

/** What a TLS server takes. With a `ca` only clients with a certificate of that authority are served. */
export type TlsMaterial = {
  readonly cert: Buffer
  readonly key: Buffer
  readonly ca?: Buffer
  readonly requestCert: boolean
  readonly rejectUnauthorized: boolean
  readonly minVersion: 'TLSv1.2'
}

/** The material; null without TLS, and where something is wrong with it. */
export type TlsFiles = { readonly material: TlsMaterial | null; readonly findings: readonly Finding[] }

const keys = ['certificate', 'key', 'client_ca'] as const

/** Reads what is written under listen.tls. */
export const readTlsFiles = (written: Written, secrets: Secrets): TlsFiles => {
  if (secrets === 'skip' || written('listen', 'tls') === undefined) return { material: null, findings: [] }
  const findings: Finding[] = []
  const found: OnPemFinding = (severity, key, text) => {
    findings.push({ severity, path: ['listen', 'tls', key], text })
  }
  const [cert, key, ca] = keys.map((name) => readPemFile(name, written('listen', 'tls', name), found))
  if (cert === undefined || key === undefined || findings.some(({ severity }) => severity === 'error')) {
    return { material: null, findings }
  }
  // A TLS server takes any text for a list of authorities, and refuses everybody.
  if (ca !== undefined && !isCertificate(ca)) {
    found('error', 'client_ca', 'the file is no certificate; it must be PEM')
    return { material: null, findings }
  }
  try {
    const files = { cert, key, ...(ca === undefined ? {} : { ca }) }
    createSecureContext(files)
    const stale = staleness(new X509Certificate(cert))
    if (stale !== null) found('warning', 'certificate', stale)
    const wantsClient = ca !== undefined
    const asked = { requestCert: wantsClient, rejectUnauthorized: wantsClient, minVersion: 'TLSv1.2' as const }
    return { material: { ...files, ...asked }, findings }
  } catch (error) {
    const said = textOf(error)
    found('error', 'certificate', `certificate and key cannot be used together (${said}); both must be PEM and a pair`)
    return { material: null, findings }
  }
}

const isCertificate = (pem: Buffer): boolean => {
  try {
    return new X509Certificate(pem).subject !== undefined
  } catch {
    return false
  }
}

/** Why clients refuse a certificate whatever they trust; null where they do not. */
const staleness = ({ validFrom, validTo }: X509Certificate): string | null => {
  if (Date.parse(validTo) < Date.now()) {
    return `the certificate expired on ${validTo}: clients that look at it refuse this agent; renew it and reload`
  }
  if (Date.parse(validFrom) <= Date.now()) return null
  return `the certificate is valid from ${validFrom} on: look at it, and at the clock of this host`
}
