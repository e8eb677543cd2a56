// Who may connect to a listener, and how often: `access`, decided here as nftables decides it for the kernel datapath.

import { isWithin } from '../../core/address-kind.ts'

type Network = { readonly address: string; readonly prefixLength: number }

/** The keys below `access`; 0 is no limit. */
export type Access = {
  readonly allow: readonly Network[]
  readonly deny: readonly Network[]
  readonly connection_rate: number
  readonly connection_rate_per_source: number
}

/** Why a client is turned away. */
export type Denial = 'denied' | 'rate' | 'source-rate'

/** The clients of one listener. */
export type Admission = {
  /** Whether a client may connect now (null) or why not. `at`: milliseconds of a clock that never goes back. */
  readonly admit: (source: string, at: number) => Denial | null
  /** Goes on with other keys; what was used up stays so. */
  readonly reconfigure: (access: Access) => void
}

/** How many addresses are remembered. Beyond that none is limited on its own, as with a set of nftables that is full. */
const mostSources = 65_536
/** A limit is whole again after a second. */
const whole = 1000

/** Nobody has connected yet. */
export const createAdmission = (initial: Access): Admission => {
  let access = initial
  let all: Bucket | undefined
  /** The one that came last stands last. */
  const sources = new Map<string, Bucket>()

  const isOverOwnRate = (source: string, at: number): boolean => {
    const known = sources.get(source)
    sources.delete(source)
    forgetOld(at)
    if (sources.size >= mostSources) return false
    const { bucket, isOver } = take(known, access.connection_rate_per_source, at)
    sources.set(source, bucket)
    return isOver
  }
  const forgetOld = (at: number): void => {
    for (const [source, bucket] of sources) {
      if (at - bucket.at < whole) return
      sources.delete(source)
    }
  }

  return {
    admit: (source, at) => {
      const { allow, deny, connection_rate: rate, connection_rate_per_source: ownRate } = access
      const isIn = (networks: readonly Network[]): boolean =>
        networks.some(({ address, prefixLength }) => isWithin(source, address, prefixLength))
      if (isIn(deny) || (allow.length > 0 && !isIn(allow))) return 'denied'
      if (ownRate > 0 && isOverOwnRate(source, at)) return 'source-rate'
      if (rate === 0) return null
      const { bucket, isOver } = take(all, rate, at)
      all = bucket
      return isOver ? 'rate' : null
    },
    reconfigure: (next) => {
      access = next
    },
  }
}

/** What is left of a limit, and since when. */
type Bucket = { readonly tokens: number; readonly at: number }

/** Takes one of as many as come in a second (nftables: `limit rate N/second burst N packets`). */
const take = (
  before: Bucket | undefined,
  rate: number,
  at: number,
): { readonly bucket: Bucket; readonly isOver: boolean } => {
  const tokens = before === undefined ? rate : Math.min(rate, before.tokens + ((at - before.at) * rate) / whole)
  const isOver = tokens < 1
  return { bucket: { tokens: isOver ? tokens : tokens - 1, at }, isOver }
}
