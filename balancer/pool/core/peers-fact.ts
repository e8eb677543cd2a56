// What this balancer knows of the other ones, with which it exchanges exceptions of `datapath: direct`.

import * as z from 'zod'

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
 * `told` by this connection and those `taken` from it, `warnings` of what is configured otherwise there, and what it said that was
 * `malformed`, by reason. `refused` counts connections that were not taken, by reason.
 */
export type PeersFact = z.output<typeof peersFact>
/** One other balancer; see `PeersFact`. */
export type PeerState = PeersFact['peers'][number]

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
