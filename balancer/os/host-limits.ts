// How many files, ports and tracked connections this host has for its connections.

import { performance } from 'node:perf_hooks'
import type { HostLimits } from '../core/shortage.ts'
import { readProc } from './proc.ts'

/** The limits in force. Node raises its own limit of open files to the hard one at start; infinite where there is none. */
export const hostLimits = (): HostLimits => {
  const [low = 32_768, high = 60_999] = numbersOf('sys/net/ipv4/ip_local_port_range')
  const [soft = 'unlimited'] = /^Max open files\s+(\d+|unlimited)/m.exec(readProc('self/limits'))?.slice(1) ?? []
  const [, , systemDescriptors = null] = numbersOf('sys/fs/file-nr')
  return {
    ports: high - low + 1,
    portRange: `${low} ${high}`,
    descriptors: soft === 'unlimited' ? Number.POSITIVE_INFINITY : Number(soft),
    systemDescriptors,
    trackedConnections: trackedConnections(),
  }
}

/** How many new connections a second may be asked of /proc whether they are tracked: a dead network has thousands. */
const lookMillis = 200
let lookedAt = Number.NEGATIVE_INFINITY
let wasFull = false

/** Whether new connections are dropped because connection tracking is full: nothing else tells, they just time out. */
export const isTrackingFull = (): boolean => {
  const now = performance.now()
  if (now - lookedAt < lookMillis) return wasFull
  const tracked = trackedConnections()
  lookedAt = now
  wasFull = tracked !== null && tracked.most > 0 && tracked.count >= tracked.most
  return wasFull
}

const trackedConnections = (): HostLimits['trackedConnections'] => {
  const [count] = numbersOf('sys/net/netfilter/nf_conntrack_count')
  const [most] = numbersOf('sys/net/netfilter/nf_conntrack_max')
  return count === undefined || most === undefined ? null : { count, most }
}

const numbersOf = (file: string): readonly number[] => readProc(file).split(/\s+/).filter(Boolean).map(Number)
