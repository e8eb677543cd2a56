// What this balancer knows of the other ones, with which it exchanges exceptions of `datapath: direct`.

import * as z from 'zod'
import { isWithin } from '../../core/address-kind.ts'
import { addressOf } from '../../core/endpoint.ts'

const counters = z.record(z.string(), z.number()).readonly()

const peer = z
  .object({
    address: z.string(),
    name: z.string().nullable(),
    connected: z.boolean(),
    since: z.number(),
    why: z.string().nullable(),
    told: z.number(),
    taken: z.number(),
    holds: z.array(z.string()).readonly().default([]),
    warnings: z.array(z.string()).readonly(),
    malformed: counters,
  })
  .readonly()

/** See `PeersFact`. */
export const peersFact = z
  .object({
    fact: z.literal('peers'),
    listen: z.string().nullable(),
    trouble: z.string().nullable(),
    exceptions: z.number().nullable(),
    peers: z.array(peer).readonly(),
    refused: counters,
  })
  .readonly()

/**
 * The connections to the other balancers. `listen`: where they come in, null without `peers` in the configuration, and `trouble`
 * why they cannot. `exceptions`: sessions that the own slots would send to another server, which a fail-over to a balancer that
 * was not told of them ends; null before the first look. Of each peer: its configured `address`, its router_id as `name` once it was
 * connected, `since` when it is (not) `connected` in milliseconds since the epoch, `why` it is not, the exceptions that it has been
 * `told` by this connection and those `taken` from it, the addresses that it `holds` by its own word, of those that VRRP moves,
 * `warnings` of what is configured otherwise there, and what it said that was `malformed`, by reason. `refused` counts connections that were not taken, by reason.
 */
export type PeersFact = z.output<typeof peersFact>
/** One other balancer; see `PeersFact`. */
export type PeerState = PeersFact['peers'][number]

/** A balancer by what its operators call it: its router_id, or its address until it was connected once; and its configured address. */
export type KnownBalancer = { readonly name: string; readonly address: string }

/**
 * Who says from an address that it is master of these ones, where that is known: a peer with this address; else the only peer that says that
 * it holds one of them. IPv6 routers speak from link-local addresses, which no configuration names.
 */
export const balancerAt = (
  peers: PeersFact['peers'],
  from: string,
  addresses: readonly string[],
): KnownBalancer | null => {
  const there = peers.filter(({ address }) => addressOf(address) === from)
  const holding = peers.filter(({ connected, holds }) => connected && holds.some((one) => addresses.includes(one)))
  const [first, ...others] = there.length > 0 || !isWithin(from, 'fe80::', 10) ? there : holding
  return first === undefined || others.length > 0 ? null : { name: first.name ?? first.address, address: first.address }
}

/** What a fail-over would cost now, in a sentence; null where every peer has been told all, or nothing is known. */
export const failOverCost = ({ exceptions, peers }: Pick<PeersFact, 'exceptions' | 'peers'>): string | null => {
  if (exceptions === null || exceptions === 0) return null
  const missing = peers.filter(({ connected }) => !connected)
  if (peers.length > 0 && missing.length === 0) return null
  const to =
    missing.length === 0
      ? 'no other balancer is configured in peers'
      : `not connected: ${missing.map(({ name, address }) => name ?? address).join(', ')}`
  return `a fail-over now would end ${exceptions} ${exceptions === 1 ? 'session' : 'sessions'} older than the last change of servers (${to})`
}
