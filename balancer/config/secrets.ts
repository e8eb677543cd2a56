// The secrets that stand in files of their own. A configuration carries what each is known by, so that a reload sees the
// ones that were changed; neither that nor the secret itself is ever shown.

import { createHmac, randomBytes } from 'node:crypto'
import { type CheckTlsPaths, readCheckTls } from './check-tls.ts'
import { readPeersKey } from './peers-key.ts'
import type { BalancerConfig } from './schema.ts'
import { readSecretFile } from './secret-file.ts'

/** Whose secret, in an operator's words, and what its content is known by within this process. */
export type Secrets = Readonly<Record<string, string>>

const key = randomBytes(32)

const printOfContent = (content: string): string => createHmac('sha256', key).update(content).digest('base64')

const printOf = (file: string): string => {
  const read = readSecretFile(file)
  return read.ok ? printOfContent(read.secret.trim()) : ''
}

const printOfTls = (paths: CheckTlsPaths): string => {
  const read = readCheckTls(paths)
  return read.ok
    ? printOfContent([read.files.ca, read.files.cert, read.files.key].map((file) => file?.toString() ?? '').join('\0'))
    : ''
}

/**
 * The configuration with what its secrets are known by: all in `secrets`, and beside the user or check that has one, which
 * is thereby another user or check when the secret changes.
 */
export const withSecrets = (config: BalancerConfig): BalancerConfig => {
  const secrets = new Map<string, string>()
  const noted = (of: string, file: string): string => {
    const print = printOf(file)
    secrets.set(of, print)
    return print
  }
  const { http } = config.admin
  const users = http?.users.map((user) => ({
    ...user,
    print: noted(`password of user ${user.name}`, user.password_file),
  }))
  const listeners = config.listeners.map((listener) => ({
    ...listener,
    check: listener.check.map((check, i) => {
      if (check.type !== 'http' && check.type !== 'mysql') return check
      const { tls } = check
      const file = check.type === 'mysql' ? check.password_file : undefined
      const which = `${listener.check.length === 1 ? 'the check' : `check ${i + 1}`} of listener ${listener.name}`
      const prints: { print?: string; tlsPrint?: string } = {}
      if (file !== undefined) prints.print = noted(`password of ${which}`, file)
      if (tls !== undefined) {
        prints.tlsPrint = printOfTls(tls)
        secrets.set(`tls files of ${which}`, prints.tlsPrint)
      }
      return { ...check, ...prints }
    }),
  }))
  for (const { name, authentication } of config.vrrp.instances) {
    if (authentication?.password_file !== undefined) {
      noted(`password of VRRP instance ${name}`, authentication.password_file)
    }
  }
  for (const { url, header_files: files } of [...config.vrrp.webhooks, ...config.notify.webhooks]) {
    for (const [header, file] of Object.entries(files))
      noted(`header ${header} of webhook ${new URL(url).origin} (${file})`, file)
  }
  if (config.peers !== undefined) {
    const read = readPeersKey(config.peers.key_file)
    secrets.set('key of peers', read.ok ? printOfContent(read.key) : '')
  }
  const admin = http === undefined || users === undefined ? config.admin : { ...config.admin, http: { ...http, users } }
  return { ...config, admin, listeners, secrets: Object.fromEntries(secrets) }
}

/** A line for each secret that is another one. */
export const describeSecretChanges = (before: Secrets = {}, after: Secrets = {}): readonly string[] =>
  Object.entries(after).flatMap(([of, print]) =>
    Object.hasOwn(before, of) && before[of] !== print ? [`${of} changed`] : [],
  )
