// The files that the tls of a mysql check names, read in and tried.

import { X509Certificate } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { createSecureContext } from 'node:tls'

/** Paths as the configuration has them. */
export type CheckTlsPaths = Readonly<Partial<Record<'ca' | 'certificate' | 'key', string | undefined>>>

/**
 * What the client takes, or the key whose file is wrong, and what is wrong with it. `warning` where others than its owner may
 * read the key.
 */
export type CheckTlsFiles =
  | {
      readonly ok: true
      readonly files: { readonly ca?: Buffer; readonly cert?: Buffer; readonly key?: Buffer }
      readonly warning: string | undefined
    }
  | { readonly ok: false; readonly at: 'ca' | 'certificate' | 'key'; readonly problem: string }

/** Several times the list of all authorities of the web. */
const maximumFileBytes = 4 * 1024 * 1024

/** Reads the files. Never throws. */
export const readCheckTls = (paths: CheckTlsPaths): CheckTlsFiles => {
  const read: Partial<Record<keyof CheckTlsPaths, Buffer>> = {}
  let warning: string | undefined
  for (const at of ['ca', 'certificate', 'key'] as const) {
    const path = paths[at]
    if (path === undefined) continue
    try {
      const stat = statSync(path)
      // Reading a pipe would wait for its writer, and hold everything up.
      if (!stat.isFile()) return { ok: false, at, problem: `${path} is no file; write PEM into one` }
      if (stat.size > maximumFileBytes)
        return { ok: false, at, problem: `${path} is larger than 4 MiB; it must be PEM` }
      if (at === 'key' && (stat.mode & 0o007) !== 0) warning = `${path} is readable by everyone; run: chmod o= ${path}`
      read[at] = readFileSync(path)
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : String(error)
      return { ok: false, at, problem: `cannot read ${path} (${code})` }
    }
  }
  const { ca, certificate: cert, key } = read
  const files = { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) }
  try {
    // The context takes any text for a list of authorities.
    if (ca !== undefined) new X509Certificate(ca)
    createSecureContext(files)
    return { ok: true, files, warning }
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error)
    const at = cert === undefined ? 'ca' : 'certificate'
    return { ok: false, at, problem: `the files cannot be used (${said}); they must be PEM, and a pair` }
  }
}
