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

/**
 * Slots for hashes of clients: weighted rendezvous hashing. When a server leaves its slots go to the others and no other slot
 * moves; one that comes takes its share of each. Shares are those of chance: with 2 servers right to some 5 % of a
 * share, with 1,000 to a quarter.
 */
export const sticky = (servers: readonly Weighted[], configuredServers: number): readonly string[] => {
  const seeds = Uint32Array.from(servers, ({ name }) => hashOf(name))
  const weights = Float64Array.from(servers, ({ weight }) => weight)
  const size = Math.max(leastStickySlots, slotCount(configuredServers))
  return Array.from({ length: size }, (_, slot) => {
    const place = mixed(slot + 1)
    let best = 0
    let least = Number.POSITIVE_INFINITY
    for (let i = 0; i < seeds.length; i += 1) {
      const chance = (mixed((seeds[i] ?? 0) ^ place) + 0.5) / 2 ** 32
      const weight = weights[i] ?? 0
      // -ln(x) >= 1 - x: spares nearly all logarithms.
      if (1 - chance >= least * weight) continue
      const score = -Math.log(chance) / weight
      if (score < least) {
        least = score
        best = i
      }
    }
    return servers[best]?.name ?? ''
  })
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
  const askers = servers.map(({ name }) => askerOf(name, size))
  const holders = new Int32Array(size).fill(-1)
  // One entry for each slot that a server still wants.
  const waiting = servers.flatMap((_, server) => Array.from({ length: quotas[server] ?? 0 }, () => server))
  for (let server = waiting.pop(); server !== undefined; server = waiting.pop()) {
    const asker = askers[server]
    if (asker === undefined) continue
    const slot = (asker.offset + asker.asked * asker.step) % size
    asker.asked += 1
    const holder = holders[slot] ?? -1
    const other = askers[holder]
    if (other === undefined || likingOf(asker, slot) > likingOf(other, slot)) {
      holders[slot] = server
      if (other !== undefined) waiting.push(holder)
    } else waiting.push(server)
  }
  return Array.from(holders, (server) => servers[server]?.name ?? '')
}

type Asker = { readonly seed: number; readonly offset: number; readonly step: number; asked: number }

/** The size is a power of two: every odd step comes to every slot. */
const askerOf = (name: string, size: number): Asker => {
  const seed = hashOf(name)
  return { seed, offset: mixed(seed + 1) % size, step: (mixed(seed + 2) % size) | 1, asked: 0 }
}

const likingOf = ({ seed }: Asker, slot: number): number => mixed(seed ^ mixed(slot))

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
