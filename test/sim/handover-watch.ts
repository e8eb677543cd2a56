// What must hold at every moment of a whole network in which masters hand over.

import type { Happening, VirtualRouter } from '../../balancer/vrrp/core/state.ts'
import type { SimulatedHost } from './host.ts'

/** Bounds in milliseconds of true time. */
export type Bounds = {
  /**
   * How long two hosts may forward. The taker has the address as soon as it asks its kernel for it, advertises when the
   * kernel has answered, and the giver lets go when it hears that. If the taker is the lower of two that were about to
   * take over, the higher one answers at once, and one more flight passes.
   */
  readonly overlap: number
  /** One interval; a priority that changes meanwhile may first be heard, or contradicted, in the next advertisement. */
  readonly interval: number
  /** How long the address may be nowhere after the one that had it was killed, or gave it up at once. */
  readonly outage: number
}

/** Looks on and throws at what must not be. */
export type Watch = {
  readonly onStep: (host: SimulatedHost, before: VirtualRouter, happening: Happening) => void
  /** From now on there may be an outage: somebody was killed, or must not serve any more. */
  readonly excuse: () => void
  /** How often each host became or stayed master since this was last asked. */
  readonly changes: () => ReadonlyMap<string, number>
  /** Checks what lasts until now. */
  readonly look: () => void
}

/** A watch over hosts that are yet to come; it begins when the first of them holds the address. */
export const createWatch = (hosts: () => readonly SimulatedHost[], now: () => number, bounds: Bounds): Watch => {
  /** Since when two hosts forward, by both names. */
  const overlaps = new Map<string, number>()
  /** Who did not come when a host yielded to it, by both addresses. */
  const unanswered = new Set<string>()
  /** When each host last yielded to another master, by its address. */
  const yieldedAt = new Map<string, number>()
  let changes = new Map<string, number>()
  let hasBegun = false
  const fitSince = new Map<SimulatedHost, number>()
  let nobodySince: number | null = null
  /** Since when nobody held the address, if all that do so now have not said it yet. */
  let unsettledSince: number | null = null
  let excusedUntil = Number.NEGATIVE_INFINITY
  let weighedAt = Number.NEGATIVE_INFINITY
  const wasWeighed = (since: number): boolean => weighedAt >= since - bounds.overlap

  const look = (): void => {
    for (const host of hosts()) {
      if (!host.isFit()) fitSince.delete(host)
      else if (!fitSince.has(host)) fitSince.set(host, now())
    }
    const holders = hosts().filter((host) => host.isAlive() && host.holds())
    if (holders.length > 0) {
      endGap()
      hasBegun = true
    } else if (hasBegun) nobodySince ??= unsettledSince ?? now()
    // Whoever gives up before the others have heard of it leaves them where they were.
    if (holders.some((host) => isKnown(host.router()))) unsettledSince = null
    const forwarding = holders.filter((host) => host.router().state !== 'leaving')
    const pairs = forwarding.flatMap((one, i) =>
      forwarding.slice(i + 1).map((other) => `${one.name} and ${other.name}`),
    )
    for (const [pair, since] of overlaps) {
      const lasted = now() - since
      if (lasted > bounds.overlap + (wasWeighed(since) ? bounds.interval : 0))
        throw new Error(`${pair} forward together for ${lasted.toFixed(1)} ms`)
      if (!pairs.includes(pair)) overlaps.delete(pair)
    }
    for (const pair of pairs) if (!overlaps.has(pair)) overlaps.set(pair, now())
  }
  const endGap = (): void => {
    if (nobodySince === null) return
    const began = nobodySince
    const lasted = (now() - began).toFixed(1)
    const since = Math.min(...fitSince.values())
    // Whoever has just begun to listen takes part in no hand-over yet.
    const isReady = since <= began - bounds.outage
    if (isReady && began > excusedUntil) throw new Error(`nobody held the address for ${lasted} ms`)
    if (now() - Math.max(began, since) > bounds.outage) throw new Error(`nobody took the address for ${lasted} ms`)
    nobodySince = null
    unsettledSince = began
  }

  /**
   * Two masters whose priorities change within a flight may each have heard the better priority of the other, and both
   * yield. Neither can know; a backup takes the address when it misses them.
   */
  const excuseCrossing = (host: SimulatedHost, before: VirtualRouter, happening: Happening): void => {
    if (before.state !== 'master' || host.router().state !== 'backup') return
    yieldedAt.set(host.address, now())
    if (happening.event !== 'advertisement-received') return
    const other = yieldedAt.get(happening.from) ?? Number.NEGATIVE_INFINITY
    if (now() - other <= bounds.overlap) excusedUntil = now()
  }

  const judgeYield = (host: SimulatedHost, before: VirtualRouter, happening: Happening): void => {
    const after = host.router()
    const key = (rival: string) => `${host.address} ${rival}`
    if (happening.event === 'advertisement-received') unanswered.delete(key(happening.from))
    const isLowered =
      happening.event === 'reconfigured' || (happening.event === 'standing-changed' && happening.fault === null)
    if (isLowered && before.state === 'master' && after.state === 'leaving') {
      const vain = [...after.rivals].filter(([rival, priority]) => {
        return priority > after.settings.priority && unanswered.has(key(rival))
      })
      if (vain.length > 0) throw new Error(`${host.name} yields again to one that is gone`)
    }
    if (before.state === 'leaving' && after.state === 'master' && happening.event === 'deadline-reached') {
      for (const [rival, priority] of before.rivals) {
        if (priority > before.settings.priority) unanswered.add(key(rival))
      }
    }
  }

  return {
    onStep: (host, before, happening) => {
      const after = host.router()
      if (before.state !== 'master' && after.state === 'master') {
        changes.set(host.name, (changes.get(host.name) ?? 0) + 1)
      }
      if (before.settings.priority !== after.settings.priority) weighedAt = now()
      judgeYield(host, before, happening)
      excuseCrossing(host, before, happening)
      look()
    },
    excuse: () => {
      // What it said before it was killed may still be on its way, and be believed; one that leaves keeps the address for
      // a part only of the time in which the others do not miss the killed one.
      const isCovered = hosts().some((host) => host.router().state === 'leaving')
      excusedUntil = now() + (isCovered ? bounds.outage : bounds.overlap)
    },
    changes: () => {
      const counted = changes
      changes = new Map()
      return counted
    },
    look,
  }
}

const isKnown = (router: VirtualRouter): boolean =>
  router.state === 'leaving' || (router.state === 'master' && router.advertiseAt !== null)
