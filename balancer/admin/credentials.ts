// Who may see the status page: basic authentication against salted scrypt hashes.

import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { isPassword, type PasswordHash } from '../config/password-file.ts'

/** Why a request is let in or not. `busy`: too many unknown passwords are being tried at this moment. */
export type Verdict = 'granted' | 'missing' | 'wrong' | 'busy'

/** Answers for the value of an `Authorization` header that came from `source`. */
export type Credentials = {
  readonly verify: (authorization: string | undefined, source: string) => Promise<Verdict>
}

/** Each hash costs tens of milliseconds of a core: one at a time for each address, so that one who guesses locks nobody out. */
const maximumHashesAtOnce = 4

/** Credentials of the named users. A password that was right once is recognised cheaply from then on. */
export const createCredentials = (users: ReadonlyMap<string, PasswordHash>): Credentials => {
  const key = randomBytes(32)
  const recognised = new Map<string, Buffer>()
  const fingerprint = (password: string): Buffer => createHmac('sha256', key).update(password).digest()
  const hashing = new Set<string>()

  const verify = async (authorization: string | undefined, source: string): Promise<Verdict> => {
    const given = parseBasic(authorization)
    if (given === undefined) return 'missing'
    const print = fingerprint(given.password)
    const known = recognised.get(given.user)
    if (known !== undefined && timingSafeEqual(known, print)) return 'granted'
    const hash = users.get(given.user)
    if (hash === undefined) return 'wrong'
    if (hashing.has(source) || hashing.size >= maximumHashesAtOnce) return 'busy'
    hashing.add(source)
    try {
      if (!(await isPassword(given.password, hash))) return 'wrong'
    } finally {
      hashing.delete(source)
    }
    recognised.set(given.user, print)
    return 'granted'
  }
  return { verify }
}

const parseBasic = (authorization: string | undefined): { user: string; password: string } | undefined => {
  const [, encoded] = /^Basic ([A-Za-z0-9+/=]{1,2048})$/i.exec(authorization ?? '') ?? []
  if (encoded === undefined) return undefined
  const decoded = Buffer.from(encoded, 'base64').toString('utf8')
  const colon = decoded.indexOf(':')
  return colon < 0 ? undefined : { user: decoded.slice(0, colon), password: decoded.slice(colon + 1) }
}
