// How the login to the server is encrypted: what agent.yaml says under mysql.tls, or an option file, read in and tried.

import { X509Certificate } from 'node:crypto'
import { createSecureContext } from 'node:tls'
import { textOf } from '../core/error-text.ts'
import type { TlsOptions } from './core/option-file.ts'
import type { Finding, Written } from './document.ts'
import { type OnPemFinding, readPemFile } from './pem-file.ts'

/** What is compared of the server's certificate: its name and who signed it, only who signed it, or nothing. */
export type Verification = 'identity' | 'ca' | 'none'

/** What the login takes. Where `serverName` is null, no name is compared. */
export type ServerTls = {
  readonly ca?: Buffer
  readonly cert?: Buffer
  readonly key?: Buffer
  readonly verify: Verification
  readonly serverName: string | null
}

/** The material; null where the login is not encrypted, and where something is wrong with it. */
type Read = { readonly tls: ServerTls | null; readonly findings: readonly Finding[] }

type Wish = Omit<TlsOptions, 'verify'> & { readonly verify: Verification; readonly serverName: string | null }

/** Reads the files named under mysql.tls; where that is not written, those of the option file. */
export const readServerTls = (written: Written, options: TlsOptions | null): Read => {
  if (written('mysql', 'tls') !== undefined) {
    const text = (key: string): string | undefined => {
      const value = written('mysql', 'tls', key)
      return typeof value === 'string' ? value : undefined
    }
    const verify = written('mysql', 'tls', 'verify')
    const wish = {
      ...given({ ca: text('ca'), certificate: text('certificate'), key: text('key') }),
      verify: verify === false ? ('none' as const) : verify === 'ca' ? ('ca' as const) : ('identity' as const),
      serverName: text('server_name') ?? null,
    }
    return readFiles(wish, (key) => ['mysql', 'tls', key])
  }
  return options === null
    ? { tls: null, findings: [] }
    : readFiles({ ...options, serverName: null }, () => ['mysql', 'option_file'])
}

const given = (texts: Readonly<Record<string, string | undefined>>): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(texts).flatMap(([key, text]) => (text === undefined ? [] : [[key, text]])))

const readFiles = (wish: Wish, place: (key: string) => readonly PropertyKey[]): Read => {
  const findings: Finding[] = []
  const found: OnPemFinding = (severity, key, text) => {
    findings.push({ severity, path: place(key), text })
  }
  const keys = ['ca', 'certificate', 'key'] as const
  const [ca, cert, key] = keys.map((name) => readPemFile(name, wish[name], found))
  if (findings.some(({ severity }) => severity === 'error')) return { tls: null, findings }
  if ((wish.certificate === undefined) !== (wish.key === undefined)) {
    const [there, missing] = wish.key === undefined ? ['certificate', 'key'] : ['key', 'certificate']
    found('error', there, `a ${there} for the login needs its ${missing}; write both, or neither`)
    return { tls: null, findings }
  }
  const files = { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) }
  try {
    // The context takes any text for a list of authorities.
    if (ca !== undefined) new X509Certificate(ca)
    createSecureContext(files)
    return { tls: { ...files, verify: wish.verify, serverName: wish.serverName }, findings }
  } catch (error) {
    const where = wish.certificate === undefined ? 'ca' : 'certificate'
    found(
      'error',
      where,
      `the files cannot be used (${textOf(error)}); they must be PEM, and certificate and key a pair`,
    )
    return { tls: null, findings }
  }
}
