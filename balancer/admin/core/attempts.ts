// How often a password may be tried: every try costs tens of milliseconds of a core, and a stranger decides how many come.

/** Tries that are left, and the moment at which that was so. */
type Bucket = { readonly left: number; readonly at: number }

/** The tries of all and of each source. */
export type Attempts = { readonly all: Bucket; readonly sources: ReadonlyMap<string, Bucket> }

/** Tries in a row, and how many milliseconds bring one back. */
const ofSource = { most: 10, every: 6000 }
const ofAll = { most: 20, every: 500 }
/** Sources that are remembered; who is forgotten may try as often as a stranger. */
const mostSources = 1024

/** Nobody has tried anything. */
export const noAttempts: Attempts = { all: { left: ofAll.most, at: 0 }, sources: new Map() }

/** The attempts after one more of a source at a moment in milliseconds; undefined where it must wait. */
export const afterAttempt = (attempts: Attempts, source: string, now: number): Attempts | undefined => {
  const own = refilled(attempts.sources.get(source) ?? { left: ofSource.most, at: now }, ofSource, now)
  const all = refilled(attempts.all, ofAll, now)
  return own.left < 1 || all.left < 1 ? undefined : withBuckets(attempts, source, add(own, -1), add(all, -1))
}

/** The attempts when the last one of a source was right: it cost nothing. */
export const afterSuccess = (attempts: Attempts, source: string): Attempts =>
  withBuckets(
    attempts,
    source,
    add(attempts.sources.get(source) ?? { left: ofSource.most, at: 0 }, 1),
    add(attempts.all, 1),
  )

const add = ({ left, at }: Bucket, count: number): Bucket => ({ left: left + count, at })

const refilled = ({ left, at }: Bucket, { most, every }: typeof ofAll, now: number): Bucket => ({
  left: Math.min(most, left + (now - at) / every),
  at: now,
})

const withBuckets = ({ sources }: Attempts, source: string, own: Bucket, all: Bucket): Attempts => {
  const others = [...sources].filter(([name]) => name !== source).slice(-(mostSources - 1))
  return { all, sources: new Map([...others, [source, own]]) }
}
