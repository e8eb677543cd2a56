// Elements that packets make while a transaction replaces them: looked for, and removed.

import type { NftElements, NftMap } from '../../os/nft-elements.ts'
import { done, type Outcome } from '../../os/outcome.ts'

/** A list may lack some: a second one that shows nothing more is believed, and so many are enough. */
const [fewestChecks, mostChecks] = [2, 5]

/**
 * While a transaction replaces an element, a packet of the session finds neither the old one nor the new one to update, and adds one
 * like the old one: in front of the new one, so that it would be the one that counts. To remove the key once more removes that one alone.
 * `written`: what was replaced.
 */
export const removeTwins = async (
  elements: Pick<NftElements, 'dump' | 'remove'>,
  map: NftMap,
  written: readonly { readonly key: Uint8Array; readonly value: number }[],
): Promise<Outcome> => {
  if (written.length === 0) return done
  const wanted = new Map(written.map(({ key, value }) => [textOf(key), value]))
  for (let check = 1; check <= mostChecks; check += 1) {
    const seen = new Map<string, { readonly key: Uint8Array; isThere: boolean; hasTwin: boolean }>()
    const listed = await elements.dump(map, ({ buffer, keyAt, keyBytes, value }) => {
      const text = textOf(buffer.subarray(keyAt, keyAt + keyBytes))
      const own = wanted.get(text)
      if (own === undefined) return
      const one = seen.get(text) ?? { key: buffer.slice(keyAt, keyAt + keyBytes), isThere: false, hasTwin: false }
      if (value === own) one.isThere = true
      else one.hasTwin = true
      seen.set(text, one)
    })
    if (!listed.ok) return listed
    const twins = [...seen.values()].flatMap(({ key, isThere, hasTwin }) => (isThere && hasTwin ? [key] : []))
    if (twins.length === 0 && check >= fewestChecks && !listed.value.isTorn) return done
    const removed = await elements.remove(map, twins)
    if (!removed.ok) return removed
  }
  return done
}

const textOf = (key: Uint8Array): string => Buffer.from(key).toString('latin1')
