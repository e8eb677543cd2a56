// The certificate, key and client CA that listen.tls names, read in and tried.

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
  try {
    const files = { cert, key, ...(ca === undefined ? {} : { ca }) }
    createSecureContext(files)
    const wantsClient = ca !== undefined
    const asked = { requestCert: wantsClient, rejectUnauthorized: wantsClient, minVersion: 'TLSv1.2' as const }
    return { material: { ...files, ...asked }, findings }
  } catch (error) {
    const said = textOf(error)
    found('error', 'certificate', `certificate and key cannot be used together (${said}); both must be PEM and a pair`)
    return { material: null, findings }
  }
}
