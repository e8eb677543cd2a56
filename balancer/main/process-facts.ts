// What the director knows of itself, for HAProxy's `show info`.

import { statSync } from 'node:fs'
import { performance } from 'node:perf_hooks'
import type { ProcessFacts } from '../admin/core/views/haproxy-info.ts'
import { hostLimits } from '../os/host-limits.ts'

/** Two questions within a second have the same answer about how much time there is left. */
const shortestSpan = 1000
const millisPerSecond = 1000

/** `startedAt`: milliseconds since the epoch. */
export const processFacts = (startedAt: number): (() => ProcessFacts) => {
  let before = performance.eventLoopUtilization()
  let idle = 1
  return () => {
    const since = performance.eventLoopUtilization(before)
    if (since.idle + since.active >= shortestSpan) {
      idle = 1 - since.utilization
      before = performance.eventLoopUtilization()
    }
    const { descriptors } = hostLimits()
    return {
      pid: process.pid,
      uptimeSeconds: Math.floor((Date.now() - startedAt) / millisPerSecond),
      startedAt,
      released: releaseDate(),
      idle,
      openFiles: Number.isFinite(descriptors) ? descriptors : 0,
    }
  }
}

/** `2026/11/29`: packages give their files the time of what they were built from. */
const releaseDate = (): string =>
  statSync(process.argv[1] ?? process.execPath, { throwIfNoEntry: false })
    ?.mtime.toISOString()
    .slice(0, 10)
    .replaceAll('-', '/') ?? ''
