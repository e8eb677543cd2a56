// The ct mark of a session tells that it is ours, and its listener and server: 0xb1, 10 bits, 14 bits.

import { hashOf } from '../../../core/hash.ts'
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

/**
 * Gives every server a mark of its own. A number follows from the names, so that two balancers mostly agree and a new
 * start finds it again; where two would meet, the second takes the next free one. What has a number keeps it, and a server
 * that is not wanted any more has it for as long as `isInUse` says of its mark that sessions have it.
 * Throws with more than 1,024 listeners or 16,383 servers of one: the configuration allows neither.
 */
export const assignNumbers = (
  wanted: readonly ServerName[],
  before: Numbering,
  isInUse: (mark: number) => boolean,
): Numbering => {
  const numbering = new Map<string, number>()
  const numberOf = new Map<string, number>()
  const ownerOf = new Map<number, string>()
  const used = new Set<number>()
  const take = (name: ServerName, mark: number): void => {
    numbering.set(numberKey(name), mark)
    numberOf.set(name.listener, listenerOf(mark))
    ownerOf.set(listenerOf(mark), name.listener)
    used.add(mark)
  }
  const isWanted = new Set(wanted.map(numberKey))
  for (const [key, mark] of before) {
    const [listener = '', server = ''] = key.split('/')
    // What was read from the kernel may have been changed by somebody: of marks that contradict each other the first counts.
    const isSound =
      (mark & ownMask) >>> 0 === ownMark &&
      !used.has(mark) &&
      (numberOf.get(listener) ?? listenerOf(mark)) === listenerOf(mark) &&
      (ownerOf.get(listenerOf(mark)) ?? listener) === listener
    if (isSound && (isWanted.has(key) || isInUse(mark))) take({ listener, server }, mark)
  }
  for (const name of wanted) {
    if (numbering.has(numberKey(name))) continue
    const listener = numberOf.get(name.listener) ?? nextFree(hashOf(name.listener), listeners, (n) => !ownerOf.has(n))
    const markOf = (server: number): number => ownMark + listener * servers + server
    // Number 0 stays free: no session has it.
    take(name, markOf(nextFree(hashOf(name.server), servers, (n) => n > 0 && !used.has(markOf(n)))))
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
