// A metric as it is made from the status document, before it is written for Prometheus.

import type { ListenerStatus, ServerStatus } from '../model/status.ts'

/** A number with its labels; null is left out. */
export type Sample = readonly [labels: Readonly<Record<string, string>>, value: number | boolean | null | undefined]

type Kind = 'gauge' | 'counter'
/** Adds one with all its samples; a counter stands at what was counted so far. */
export type Add = (kind: Kind, name: string, help: string, samples: readonly Sample[]) => void

/** Durations of the status are milliseconds, those of metrics seconds. */
export const millisPerSecond = 1000

/** Seconds since a moment; null where there was none. */
export const ago = (moment: { readonly ago_ms: number } | null | undefined): number | null =>
  moment == null ? null : moment.ago_ms / millisPerSecond

/** A sample for each server of each listener. */
export const eachServer = (
  listeners: readonly ListenerStatus[],
  labels: (listener: string, server: string) => Readonly<Record<string, string>>,
  value: (server: ServerStatus, listener: ListenerStatus) => Sample[1],
): readonly Sample[] =>
  listeners.flatMap((listener) =>
    listener.servers.map((server): Sample => [labels(listener.name, server.name), value(server, listener)]),
  )
