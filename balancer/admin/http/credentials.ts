// Who may see the status page: basic authentication against salted scrypt hashes.

import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { performance } from 'node:perf_hooks'
import { hashOfNobody, isPassword, type PasswordHash } from '../../config/password-file.ts'
import { type Attempts, afterAttempt, afterSuccess, noAttempts, sourceOf } from '../core/attempts.ts'

/** Why a request is let in or not. `busy`: too many passwords are being tried at this moment, or were of late. */
export type Verdict = 'granted' | 'missing' | 'wrong' | 'busy'

/** The verdict, and the name that was given with a password. */
export type Login = { readonly verdict: Verdict; readonly user: string }

/** Answers for the value of an `Authorization` header that came from an address. */
export type Credentials = {
  readonly verify: (authorization: string | undefined, address: string) => Promise<Login>
  /** Other users; who was let in is asked again. */
  readonly setUsers: (users: ReadonlyMap<string, PasswordHash>) => void
}

/** Each hash costs tens of milliseconds of a core: one at a time for each address, so that one who guesses locks nobody out. */
const maximumHashesAtOnce = 2

/** Credentials of nobody so far. A password that was right once is recognised cheaply from then on. */
export const createCredentials = (): Credentials => {
  const key = randomBytes(32)
  const recognised = new Map<string, Buffer>()
  let users: ReadonlyMap<string, PasswordHash> = new Map()
  const fingerprint = (password: string): Buffer => createHmac('sha256', key).update(password).digest()
  /** By source; a browser asks for several things at once with the same password. */
  const hashing = new Map<string, { readonly what: string; readonly isRight: Promise<boolean> }>()
  let attempts: Attempts = noAttempts

  const isRight = async (user: string, password: string, source: string): Promise<boolean> => {
    // A name that nobody has takes as long as one that somebody has.
    const [first] = users.values()
    const hash = users.get(user)
    // Scrypt does not tell a password from the same one with NUL behind it.
    const right = (await isPassword(password, hash ?? hashOfNobody(first))) && !password.includes('\0')
    if (!right || hash === undefined || users.get(user) !== hash) return false
    recognised.set(user, fingerprint(password))
    attempts = afterSuccess(attempts, source)
    return true
  }
  const verify = async (authorization: string | undefined, address: string): Promise<Login> => {
    const source = sourceOf(address)
    const given = parseBasic(authorization)
    if (given === undefined) return { verdict: 'missing', user: '' }
    const { user, password } = given
    const print = fingerprint(password)
    const known = recognised.get(user)
    if (known !== undefined && timingSafeEqual(known, print)) return { verdict: 'granted', user }
    const what = `${print.toString('base64')} ${user}`
    const same = hashing.get(source)
    if (same?.what === what) return { verdict: (await same.isRight) ? 'granted' : 'wrong', user }
    const next = same === undefined && hashing.size < maximumHashesAtOnce
    const after = next ? afterAttempt(attempts, source, performance.now()) : undefined
    if (after === undefined) return { verdict: 'busy', user }
    attempts = after
    const answer = isRight(user, password, source)
    hashing.set(source, { what, isRight: answer })
    try {
      return { verdict: (await answer) ? 'granted' : 'wrong', user }
    } finally {
      hashing.delete(source)
    }
  }
  return {
    verify,
    setUsers: (next) => {
      users = next
      recognised.clear()
    },
  }
}

const parseBasic = (authorization: string | undefined): { user: string; password: string } | undefined => {
  const [, encoded] = /^Basic ([A-Za-z0-9+/=]{1,2048})$/i.exec(authorization ?? '') ?? []
  if (encoded === undefined) return undefined
  const decoded = Buffer.from(encoded, 'base64').toString('utf8')
  const colon = decoded.indexOf(':')
  return colon < 0 ? undefined : { user: decoded.slice(0, colon), password: decoded.slice(colon + 1) }
}
