// Which server takes which slot of a table that the kernel steps or hashes through. A function of the servers alone: no
// history, so that a restart and another balancer find the same, and a change moves few slots.

import { hashOf, mixed } from './hash.ts'

/** A server with its share of the slots. */
export type Weighted = { readonly name: string; readonly weight: number }

const mostExactSlots = 128
const slotsPerServer = 16
const leastSlots = 256
const leastStickySlots = 1024
const mostSlots = 16384

/**
 * How many slots a table has that servers may come to and leave without most slots changing hands: 16 for each server
 * that is configured, as a power of two from 256 to 16,384.
 */
const slotCount = (configuredServers: number): number => {
  const wanted = Math.min(mostSlots, Math.max(leastSlots, configuredServers * slotsPerServer))
  return 2 ** Math.ceil(Math.log2(Math.max(wanted, configuredServers)))
}

/**
 * Slots for taking turns. Whole weights with a small sum get exactly their shares, interleaved (smooth weighted round
 * robin). Else each server's share is right to within two slots of `slotCount`, and every server has at least one: with 1,000 servers of one weight each has
 * 16 or 17 of 16,384.
 */
export const turns = (servers: readonly Weighted[], configuredServers: number): readonly string[] => {
  const divisor = servers.reduce((all, { weight }) => greatestCommonDivisor(all, weight), 0)
  const sum = servers.reduce((all, { weight }) => all + weight, 0) / (divisor || 1)
  const isWhole = servers.every(({ weight }) => Number.isInteger(weight))
  if (isWhole && configuredServers <= mostExactSlots && sum <= mostExactSlots) {
    return interleaved(servers.map(({ name, weight }) => ({ name, weight: weight / divisor })))
  }
  return consistent(servers, slotCount(configuredServers))
}

/** How many slots for hashes of clients, 1,024 at least. */
export const stickySlotCount = (configuredServers: number): number =>
  Math.max(leastStickySlots, slotCount(configuredServers))

/** Slots for hashes of clients, with what it takes to change them. */
export type StickySlots = {
  readonly slots: readonly string[]
  readonly servers: readonly Weighted[]
  /** How well its server does in each slot; less is better. */
  readonly scores: Float64Array
}

/**
 * Slots for hashes of clients: weighted rendezvous hashing. When a server leaves its slots go to the others and no other slot
 * moves; one that comes takes its share of each. Each server has the slots in an order of its own, so that shares are nearer to right
 * than those of chance: of 1,024 slots the most and the least of 2 servers differ by some 3 % of a share, of 3 by 5 %, of 5 by
 * 10 %. `size` is a power of two. The slots before save time, and change nothing: with 1,000 servers all take 150 ms.
 */
export const sticky = (servers: readonly Weighted[], size: number, before?: StickySlots): StickySlots => {
  const kept = before?.slots.length === size ? before : undefined
  const weightBefore = new Map(kept?.servers.map(({ name, weight }) => [name, weight]))
  const unchanged = new Set(
    servers.filter(({ name, weight }) => weightBefore.get(name) === weight).map(({ name }) => name),
  )
  const all = contenders(servers)
  const fresh = contenders(servers.filter(({ name }) => !unchanged.has(name)))
  const scores = new Float64Array(size)
  const slots = Array.from({ length: size }, (_, slot) => {
    const holder = kept?.slots[slot] ?? ''
    const stays = unchanged.has(holder)
    scores[slot] = stays ? (kept?.scores[slot] ?? 0) : Number.POSITIVE_INFINITY
    return winner(slot, stays ? fresh : all, scores, stays ? holder : '')
  })
  return { slots, servers, scores }
}

const contenders = (servers: readonly Weighted[]) => {
  const seeds = servers.map(({ name }) => hashOf(name))
  const some = (number: number): Uint32Array => Uint32Array.from(seeds, (seed) => mixed(seed + number))
  return {
    names: servers.map(({ name }) => name),
    // What makes a server's order of the slots.
    starts: some(1),
    ...{ first: some(2).map(odd), second: some(3).map(odd), third: some(4).map(odd) },
    weights: Float64Array.from(servers, ({ weight }) => weight),
  }
}

const odd = (number: number): number => number | 1

/** The best of the contenders, or the holder where none is better; its score is kept. */
const winner = (
  slot: number,
  { names, starts, first, second, third, weights }: ReturnType<typeof contenders>,
  scores: Float64Array,
  holder: string,
): string => {
  const size = scores.length
  const last = size - 1
  const half = (32 - Math.clz32(last)) >> 1
  let best = holder
  let least = scores[slot] ?? 0
  for (let i = 0; i < starts.length; i += 1) {
    // Each step has a way back, so that no two slots come to one place.
    let place = Math.imul(slot ^ (starts[i] ?? 0), first[i] ?? 1) & last
    place = Math.imul(place ^ (place >>> half), second[i] ?? 1) & last
    place = Math.imul(place ^ (place >>> half), third[i] ?? 1) & last
    const chance = (place + 0.5) / size
    const weight = weights[i] ?? 0
    // -ln(x) >= 1 - x: spares nearly all logarithms.
    if (1 - chance > least * weight) continue
    const score = -Math.log(chance) / weight
    const name = names[i] ?? ''
    if (score < least || (score === least && name < best)) {
      least = score
      best = name
    }
  }
  scores[slot] = least
  return best
}

/** Nginx's smooth weighted round robin: a server with weight 5 of 7 is not asked five times in a row. */
const interleaved = (servers: readonly Weighted[]): readonly string[] => {
  const sum = servers.reduce((all, { weight }) => all + weight, 0)
  const credits = servers.map(() => 0)
  return Array.from({ length: sum }, () => {
    let best = 0
    for (const [i, { weight }] of servers.entries()) {
      credits[i] = (credits[i] ?? 0) + weight
      if ((credits[i] ?? 0) > (credits[best] ?? 0)) best = i
    }
    credits[best] = (credits[best] ?? 0) - sum
    return servers[best]?.name ?? ''
  })
}

const greatestCommonDivisor = (a: number, b: number): number => (b === 0 ? a : greatestCommonDivisor(b, a % b))

/**
 * Slots that stay with their server while others come and go. Each server asks for slots in an order of its own (Maglev,
 * section 3.4), and a slot keeps the server that it likes best: a stable matching, of which there is one whatever the
 * order of asking. A server that leaves gives its slots away; few others move.
 */
export const consistent = (servers: readonly Weighted[], size: number): readonly string[] => {
  const quotas = quotasOf(servers, size)
  const seeds = Uint32Array.from(servers, ({ name }) => hashOf(name))
  // The size is a power of two: every odd step comes to every slot.
  const last = size - 1
  const next = Uint32Array.from(seeds, (seed) => mixed(seed + 1) & last)
  const steps = Uint32Array.from(seeds, (seed) => (mixed(seed + 2) & last) | 1)
  const places = Uint32Array.from({ length: size }, (_, slot) => mixed(slot))
  const holders = new Int32Array(size).fill(-1)
  const likings = new Uint32Array(size)
  for (const [first, quota] of quotas.entries()) {
    for (let i = 0; i < quota; i += 1) {
      // Whoever has lost a slot asks for another at once.
      let server = first
      while (server >= 0) {
        const seed = seeds[server] ?? 0
        const step = steps[server] ?? 1
        let slot = next[server] ?? 0
        let liking = mixed(seed ^ (places[slot] ?? 0))
        while ((holders[slot] ?? -1) >= 0 && liking <= (likings[slot] ?? 0)) {
          slot = (slot + step) & last
          liking = mixed(seed ^ (places[slot] ?? 0))
        }
        next[server] = (slot + step) & last
        const loser = holders[slot] ?? -1
        holders[slot] = server
        likings[slot] = liking
        server = loser
      }
    }
  }
  return Array.from(holders, (server) => servers[server]?.name ?? '')
}

/**
 * How many slots each server gets: at least one, and the rest by Webster's method, in which nobody loses a slot because
 * another one leaves. Equal claims go by the names' hashes, not by the order of servers.
 */
const quotasOf = (servers: readonly Weighted[], size: number): readonly number[] => {
  const sum = servers.reduce((all, { weight }) => all + weight, 0)
  // Just below the shares: at most two for each server are left to give.
  const quotas = servers.map(({ weight }) => Math.max(1, Math.floor((size * weight) / sum - 0.5)))
  const missing = size - quotas.reduce((all, quota) => all + quota, 0)
  const claims = servers
    .flatMap(({ name, weight }, server) => {
      const quota = quotas[server] ?? 0
      const tie = hashOf(name)
      // What it would get next, or, where all have too many, what it got last, but for the one that it keeps.
      const [first, last] = missing > 0 ? [quota + 1, quota + 3] : [2, quota]
      return Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => ({
        server,
        claim: weight / (first + i - 0.5),
        tie,
      }))
    })
    .sort((a, b) => b.claim - a.claim || b.tie - a.tie)
  for (const { server } of missing > 0 ? claims.slice(0, missing) : claims.slice(claims.length + missing)) {
    quotas[server] = (quotas[server] ?? 0) + Math.sign(missing)
  }
  return quotas
}
