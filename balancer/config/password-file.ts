// Password files of the status page: one line with a salted scrypt hash, made by `balancer hash-password`.

import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'
import { readNamedFile } from './named-file.ts'

const derive = promisify<string, Buffer, number, { N: number; r: number; p: number; maxmem: number }, Buffer>(scrypt)

/** A stored password: `scrypt$N$r$p$salt$key`, salt and key in base64. */
export type PasswordHash = {
  readonly cost: number
  readonly blockSize: number
  readonly parallelization: number
  readonly salt: Buffer
  readonly key: Buffer
}

/** What a password file holds, or what is wrong with it. `warning` where others than its owner may read it. */
export type PasswordFile =
  | { readonly ok: true; readonly hash: PasswordHash; readonly warning: string | undefined }
  | { readonly ok: false; readonly problem: string }

const cost = 16_384
const blockSize = 8
const parallelization = 1
const saltBytes = 16
const keyBytes = 32
/** Bounds what a hand-written file can make this program spend on one login: 64 MiB. */
const maximumMemory = 64 * 1024 * 1024

/** Reads and parses a password file. Never throws and never shows the content. */
export const readPasswordFile = (file: string): PasswordFile => {
  const advice = `make it with: balancer hash-password > ${file}`
  const read = readNamedFile(file, { mostKibibytes: 1, instead: advice, missing: advice })
  if (!read.ok) return read
  const hash = parsePasswordHash(read.content.toString().trim())
  return hash === undefined
    ? { ok: false, problem: `${file} holds no scrypt string; ${advice}` }
    : { ok: true, hash, warning: read.warning }
}

/** Parses `scrypt$N$r$p$salt$key`. */
export const parsePasswordHash = (text: string): PasswordHash | undefined => {
  const [, n, r, p, salt, key] =
    /^scrypt\$(\d{1,7})\$(\d{1,3})\$(\d{1,3})\$([A-Za-z0-9+/=]{8,128})\$([A-Za-z0-9+/=]{16,256})$/.exec(text) ?? []
  if (salt === undefined || key === undefined) return undefined
  const hash = {
    cost: Number(n),
    blockSize: Number(r),
    parallelization: Number(p),
    salt: Buffer.from(salt, 'base64'),
    key: Buffer.from(key, 'base64'),
  }
  const powerOfTwo = hash.cost > 1 && (hash.cost & (hash.cost - 1)) === 0
  const memory = 128 * hash.cost * hash.blockSize * hash.parallelization
  return powerOfTwo && memory > 0 && memory < maximumMemory ? hash : undefined
}

/** A hash that no password has, and that takes as long as `like`; without that, as one that is made here. */
export const hashOfNobody = (like: PasswordHash | undefined): PasswordHash => ({
  ...(like ?? { cost, blockSize, parallelization }),
  salt: randomBytes(saltBytes),
  key: randomBytes(keyBytes),
})

/** Makes the text of a password file. */
export const hashPassword = async (password: string): Promise<string> => {
  const salt = randomBytes(saltBytes)
  const options = { N: cost, r: blockSize, p: parallelization, maxmem: maximumMemory }
  const key = await derive(password, salt, keyBytes, options)
  return `scrypt$${cost}$${blockSize}$${parallelization}$${salt.toString('base64')}$${key.toString('base64')}`
}

/** Whether a password belongs to a hash. Takes tens of milliseconds on a thread of its own. */
export const isPassword = async (password: string, hash: PasswordHash): Promise<boolean> => {
  const options = { N: hash.cost, r: hash.blockSize, p: hash.parallelization, maxmem: maximumMemory }
  return timingSafeEqual(await derive(password, hash.salt, hash.key.length, options), hash.key)
}
