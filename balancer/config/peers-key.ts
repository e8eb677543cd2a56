// The key of `peers`: a file with the same content on all balancers. It is never shown, and leaves this file as another one
// that is made of it.

import { hkdfSync } from 'node:crypto'
import { readNamedFile } from './named-file.ts'
import type { BalancerConfig } from './schema.ts'

/** What the connections are made with, or what is wrong with the file. `warning` where others than its owner may read it. */
export type PeersKey =
  | { readonly ok: true; readonly key: string; readonly warning: string | undefined }
  | { readonly ok: false; readonly problem: string }

const leastBytes = 32
/** Of 32 random bytes in hexadecimal digits fewer are different only by bad luck: one in a million. */
const leastDifferentBytes = 8

/** What a key is made with. */
const makeKey = (file: string): string => `(umask 077; openssl rand -base64 48 > ${file})`

/** Reads a key file. Never throws and never shows the content. Its end of line is not part of the key. */
export const readPeersKey = (file: string): PeersKey => {
  const read = readNamedFile(file, {
    mostKibibytes: 1,
    instead: `make a key: ${makeKey(file)}`,
    missing: `copy it from another balancer, or make one: ${makeKey(file)}`,
  })
  if (!read.ok) return read
  const end = read.content.findLastIndex((byte) => byte !== 0x0a && byte !== 0x0d)
  const key = read.content.subarray(0, end + 1)
  if (key.length < leastBytes) {
    const text = `${file} holds ${key.length} bytes, and a key has at least ${leastBytes}; make one: ${makeKey(file)}`
    return { ok: false, problem: text }
  }
  if (new Set(key).size < leastDifferentBytes) {
    return { ok: false, problem: `${file} holds no random key; make one: ${makeKey(file)}` }
  }
  return { ok: true, key: derived(key), warning: read.warning }
}

/** Any length in, 256 bits out (RFC 5869). */
const derived = (key: Buffer): string =>
  Buffer.from(hkdfSync('sha256', key, '', 'mysql-balancer peers 1', 32)).toString('base64')

/** The configuration with the key of its peers in it. */
export const withPeersKey = (config: BalancerConfig): BalancerConfig => {
  const { peers } = config
  if (peers === undefined) return config
  const read = readPeersKey(peers.key_file)
  return read.ok ? { ...config, peers: { ...peers, key: read.key } } : config
}
