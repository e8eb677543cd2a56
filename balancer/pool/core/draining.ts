// Workers of an earlier program that take no new sessions: what they hear of the configuration, and what they add to counts.

import * as z from 'zod'
import { type Endpoint, endpointText } from '../../core/endpoint.ts'
import type { DrainingFact } from './facts.ts'

/** The listeners and servers there are, in no more detail than every version of this program understands. */
export const outlineSchema = z
  .array(
    z.object({
      name: z.string(),
      binds: z.array(z.string()).readonly(),
      servers: z.array(z.object({ name: z.string(), address: z.string() })).readonly(),
    }),
  )
  .readonly()

/** See `outlineSchema`; addresses are written as `endpointText` does. */
export type Outline = z.output<typeof outlineSchema>

type Described = {
  readonly name: string
  readonly bind: readonly Endpoint[]
  readonly servers: readonly { readonly name: string; readonly address: Endpoint }[]
}

/** How many sessions of a listener, or of one of its servers, earlier programs still have. */
export const drainingSessions = (workers: Iterable<DrainingFact>, listener: string, server?: string): number => {
  let sum = 0
  for (const { listeners } of workers) {
    const one = listeners.find((candidate) => candidate.listener === listener)
    const ofServer = one?.servers.find((candidate) => candidate.server === server)
    sum += (server === undefined ? one?.sessions : ofServer?.sessions) ?? 0
  }
  return sum
}

/** The outline of a configuration. */
export const outlineOf = (listeners: readonly Described[]): Outline =>
  listeners.map(({ name, bind, servers }) => ({
    name,
    binds: bind.map(endpointText),
    servers: servers.map((server) => ({ name: server.name, address: endpointText(server.address) })),
  }))

/**
 * What is left of a worker's own listeners when the configuration is this one now: under their names of today, found by
 * name, and else by an address. Those that are gone, and servers that are gone, are left out; how sessions are ended stays.
 */
export const remainingOf = <S extends Described['servers'][number], L extends Described & { readonly servers: S[] }>(
  own: readonly L[],
  outline: Outline,
): readonly L[] =>
  own.flatMap((listener) => {
    const binds = listener.bind.map(endpointText)
    const now =
      outline.find(({ name }) => name === listener.name) ??
      outline.find((one) => one.binds.some((bind) => binds.includes(bind)))
    if (now === undefined) return []
    const servers = listener.servers.flatMap((server) => {
      const kept = now.servers.find(({ address }) => address === endpointText(server.address))
      return kept === undefined ? [] : [{ ...server, name: kept.name }]
    })
    return [{ ...listener, name: now.name, servers }]
  })
