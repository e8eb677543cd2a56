// The ct mark of a session tells that it is ours, and its listener and server: 0xb1, 10 bits, 14 bits.

import { hashOf } from '../../rules/core/hash.ts'
import type { Numbering } from './kernel-listener.ts'

/** The bits that tell our sessions from others, and their value in ours. */
export const ownMask = 0xff000000
export const ownMark = 0xb1000000

/** The bits that a listener's sessions have in common. */
export const listenerMask = 0xffffc000

const serverBits = 14
const listeners = 1 << 10
const servers = 1 << serverBits

/** A server of a listener; both names are free of slashes (balancer.yaml). */
export type ServerName = { readonly listener: string; readonly server: string }

/** The key of a server in a numbering, and its comment in the kernel. */
export const numberKey = ({ listener, server }: ServerName): string => `${listener}/${server}`

/** The names that a key of a numbering is made of; null for another text. */
export const namesOf = (key: string): ServerName | null => {
  const [listener, server, ...more] = key.split('/')
  return listener && server && more.length === 0 ? { listener, server } : null
}

/**
 * Gives every server a mark of its own. A number follows from the names, so that two balancers mostly agree and a new
 * start finds it again; where two would meet, the second takes the next free one. What has a number keeps it.
 * Throws with more than 1,024 listeners or 16,383 servers of one: the configuration allows neither.
 */
export const assignNumbers = (wanted: readonly ServerName[], before: Numbering): Numbering => {
  const numbering = new Map<string, number>()
  const listenerNumbers = new Map<string, number>()
  const usedListeners = new Set<number>()
  const used = new Set<number>()
  const keep = (name: ServerName, mark: number): void => {
    numbering.set(numberKey(name), mark)
    listenerNumbers.set(name.listener, listenerOf(mark))
    usedListeners.add(listenerOf(mark))
    used.add(mark)
  }
  for (const name of wanted) {
    const mark = before.get(numberKey(name))
    if (mark !== undefined) keep(name, mark)
  }
  for (const name of wanted) {
    if (numbering.has(numberKey(name))) continue
    const listener =
      listenerNumbers.get(name.listener) ?? nextFree(hashOf(name.listener), listeners, (n) => !usedListeners.has(n))
    const markOf = (server: number): number => ownMark + listener * servers + server
    // Number 0 stays free: no session has it.
    const server = nextFree(hashOf(name.server), servers, (n) => n > 0 && !used.has(markOf(n)))
    keep(name, markOf(server))
  }
  return numbering
}

/** The mark as nft writes and takes it. */
export const markText = (mark: number): string => `0x${mark.toString(16).padStart(8, '0')}`

const listenerOf = (mark: number): number => (mark - ownMark) >> serverBits

const nextFree = (first: number, size: number, isFree: (n: number) => boolean): number => {
  for (let i = 0; i < size; i += 1) {
    const candidate = (first + i) % size
    if (isFree(candidate)) return candidate
  }
  throw new Error(`all ${size} numbers are taken`)
}
