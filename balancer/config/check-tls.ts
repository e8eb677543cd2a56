// The files that the tls of a check names, read in and tried.

import { X509Certificate } from 'node:crypto'
import { createSecureContext } from 'node:tls'
import { textOf } from '../core/error-text.ts'
import { type NamedFileKind, readNamedFile } from './named-file.ts'

/** Paths as the configuration has them. */
export type CheckTlsPaths = Readonly<Partial<Record<'ca' | 'certificate' | 'key', string | undefined>>>

/**
 * What the client takes, or the key whose file is wrong, and what is wrong with it. A warning where others than its owner may
 * read the key, and where the certificate is valid no longer.
 */
export type CheckTlsFiles =
  | {
      readonly ok: true
      readonly files: { readonly ca?: Buffer; readonly cert?: Buffer; readonly key?: Buffer }
      readonly warnings: readonly { readonly at: 'certificate' | 'key'; readonly text: string }[]
    }
  | { readonly ok: false; readonly at: 'ca' | 'certificate' | 'key'; readonly problem: string }

/** Of several times the size that the list of all authorities of the web has. */
const pemFile: NamedFileKind = {
  mostKibibytes: 4 * 1024,
  instead: 'write PEM into one',
  missing: 'write PEM into it',
}

/** Reads the files. Never throws. */
export const readCheckTls = (paths: CheckTlsPaths): CheckTlsFiles => {
  const read: Partial<Record<keyof CheckTlsPaths, Buffer>> = {}
  const warnings: { at: 'certificate' | 'key'; text: string }[] = []
  for (const at of ['ca', 'certificate', 'key'] as const) {
    const path = paths[at]
    if (path === undefined) continue
    const found = readNamedFile(path, pemFile)
    if (!found.ok) return { ...found, at }
    if (at === 'key' && found.warning !== undefined) warnings.push({ at, text: found.warning })
    read[at] = found.content
  }
  const { ca, certificate: cert, key } = read
  const files = { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) }
  try {
    // The context takes any text for a list of authorities.
    if (ca !== undefined) new X509Certificate(ca)
    createSecureContext(files)
    const { validTo } = cert === undefined ? { validTo: '' } : new X509Certificate(cert)
    if (Date.parse(validTo) < Date.now()) {
      const text = `the certificate of the check expired on ${validTo}: who asks for one refuses it; renew it and reload`
      warnings.push({ at: 'certificate', text })
    }
    return { ok: true, files, warnings }
  } catch (error) {
    const at = cert === undefined ? 'ca' : 'certificate'
    return { ok: false, at, problem: `the files cannot be used (${textOf(error)}); they must be PEM, and a pair` }
  }
}
