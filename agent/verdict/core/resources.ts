// What a server that answers may lack all the same: a way in for clients, room on the disk, a write that works, connections.

import { connectionsOf } from '../../probe/core/connections.ts'
import type { ServerFacts, Words } from '../../probe/core/facts.ts'
import type { QueueBounds } from './backlog.ts'
import type { Reason } from './reason.ts'

/** What must be left, in percent; null for what is not tested. */
export type Reserves = {
  readonly disk: { readonly min_free: number; readonly min_free_inodes: number } | null
  readonly connections: { readonly min_free: number } | null
  readonly queues: QueueBounds
}

const hundred = 100
const percent = (value: number): string => `${value.toFixed(1)}%`

/** Why a node whose server answers must not serve all the same, or null. */
export const resourceObjection = (facts: ServerFacts, words: Words, reserves: Reserves): Reason | null => {
  if (facts.closed != null) return facts.closed
  if (reserves.disk !== null && facts.disk !== null) {
    const { disk } = facts
    if (!disk.ok) return { code: disk.failure.code, text: `free space is not known: ${disk.failure.text}` }
    const { directory, free, freeInodes } = disk.value
    const { min_free, min_free_inodes } = reserves.disk
    if (free < min_free) return { code: 'disk-full', text: `${percent(free)} of the disk of ${directory} is free` }
    if (freeInodes < min_free_inodes) {
      return { code: 'disk-full', text: `${percent(freeInodes)} of the inodes of ${directory} are free` }
    }
  }
  if (facts.write !== null) return facts.write
  const left = freeConnections(words)
  return reserves.connections !== null && left !== null && left < reserves.connections.min_free
    ? { code: 'connections-low', text: `${percent(left)} of max_connections is free` }
    : null
}

/** Connections that are free, in percent of max_connections; null where the server was not asked. */
export const freeConnections = (words: Words): number | null => {
  const connections = connectionsOf(words)
  if (connections === null) return null
  const { used, most } = connections
  return Math.max(0, ((most - used) / most) * hundred)
}

/** What a report shows of the resources that are tested. */
export const resourceFacts = ({ disk, refused, account, door }: ServerFacts): Words => ({
  ...(disk?.ok ? { disk_free: percent(disk.value.free), inodes_free: percent(disk.value.freeInodes) } : {}),
  ...(account == null ? {} : { check_user: account }),
  ...(door == null ? {} : { client_address: door }),
  ...(refused === null ? {} : { usual_port: `refused, seen through the extra port: ${refused.text}` }),
})
