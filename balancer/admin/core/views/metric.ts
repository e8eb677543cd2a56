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

/** Somebody of whom metrics tell, with the labels by which they are told from those of others. */
type Subject<Of> = readonly [labels: Sample[0], subject: Of]

/** Adds metrics of which each subject has a sample: what is left to say of one is its name, its words and its number. */
export const addForEach = <Of>(add: Add, subjects: readonly Subject<Of>[]) => {
  const adding =
    (kind: Kind) =>
    (name: string, help: string, value: (subject: Of) => Sample[1]): void => {
      const samples = subjects.map(([labels, subject]): Sample => [labels, value(subject)])
      add(kind, name, help, samples)
    }
  return { gauge: adding('gauge'), counter: adding('counter') }
}

/** The servers of all listeners. */
export const serversOf = (
  listeners: readonly ListenerStatus[],
  labels: (listener: string, server: string) => Sample[0],
): readonly Subject<ServerStatus>[] =>
  listeners.flatMap((listener) => listener.servers.map((server) => [labels(listener.name, server.name), server]))
