// How often a password may be tried: every try costs tens of milliseconds of a core, and a stranger decides how many come.

import { addressBytes, addressText, familyOf } from '../../core/ip-address.ts'

/** Tries that are left, and the moment at which that was so. */
type Bucket = { readonly left: number; readonly at: number }

/** A source, and how often it was wrong since it was right last or was forgotten. */
type Source = Bucket & { readonly wrong: number }

/** The tries of all, of those who have hardly been wrong yet, and of each source. */
export type Attempts = { readonly all: Bucket; readonly fresh: Bucket; readonly sources: ReadonlyMap<string, Source> }

/** Tries in a row, and how many milliseconds bring one back. */
const ofSource = { most: 10, every: 6000 }
const ofAll = { most: 20, every: 500 }
/**
 * However many guess, each is soon known as one who does: a few tries are left to those who are not, so that guesses from a thousand
 * addresses keep an operator from logging in for minutes, and not for as long as somebody likes to.
 */
const ofFresh = { most: 5, every: 1000 }
const mostWrong = 3
/** Sources that are remembered; who is forgotten may try as often as a stranger. */
const mostSources = 4096

/** Nobody has tried anything. */
export const noAttempts: Attempts = {
  all: { left: ofAll.most, at: 0 },
  fresh: { left: ofFresh.most, at: 0 },
  sources: new Map(),
}

/** Who tries, for the account of tries: of IPv6 a whole network (/64), in which one host may have all addresses. */
export const sourceOf = (address: string): string => {
  if (familyOf(address) === 'ipv4') return address
  const bytes = addressBytes(address)
  return `${addressText(bytes.map((byte, i) => (i < bytes.length / 2 ? byte : 0)))}/64`
}

/** The attempts after one more of a source at a moment in milliseconds; undefined where it must wait. */
export const afterAttempt = (attempts: Attempts, source: string, now: number): Attempts | undefined => {
  const known = attempts.sources.get(source) ?? { left: ofSource.most, at: now, wrong: 0 }
  const own = { ...refilled(known, ofSource, now), wrong: known.wrong }
  const all = refilled(attempts.all, ofAll, now)
  const fresh = refilled(attempts.fresh, ofFresh, now)
  if (own.left < 1) return undefined
  const tried = { ...own, left: own.left - 1, wrong: own.wrong + 1 }
  if (all.left >= 1) return withSource({ ...attempts, all: add(all, -1), fresh }, source, tried)
  if (own.wrong >= mostWrong || fresh.left < 1) return undefined
  return withSource({ ...attempts, all, fresh: add(fresh, -1) }, source, tried)
}

/** The attempts when the last one of a source was right: it cost nothing. */
export const afterSuccess = (attempts: Attempts, source: string): Attempts =>
  withSource({ ...attempts, all: add(attempts.all, 1) }, source, {
    ...add(attempts.sources.get(source) ?? { left: ofSource.most, at: 0 }, 1),
    wrong: 0,
  })

const add = ({ left, at }: Bucket, count: number): Bucket => ({ left: left + count, at })

const refilled = ({ left, at }: Bucket, { most, every }: typeof ofAll, now: number): Bucket => ({
  left: Math.min(most, left + (now - at) / every),
  at: now,
})

const withSource = (attempts: Attempts, source: string, own: Source): Attempts => {
  const others = [...attempts.sources].filter(([name]) => name !== source).slice(-(mostSources - 1))
  return { ...attempts, sources: new Map([...others, [source, own]]) }
}
