// What a table that is there tells of servers: whose number is which, and how much of the new sessions each has.

import type { Endpoint } from '../../../core/endpoint.ts'
import type { Listing } from '../../rules/core/listing.ts'
import { countersMap, slotMap } from './names.ts'

/** A server of a listener as the rules know it. `share`: its slots; 0 where it takes no new sessions. */
export type FoundServer = Endpoint & {
  readonly listener: string
  readonly server: string
  readonly number: number
  readonly share: number
}

/** All of them; what cannot be read is left out. */
export const foundServers = ({ snapshot }: Listing): readonly FoundServer[] =>
  [...snapshot.sets].flatMap(([set, { elements }]) => {
    if (!set.startsWith(countersMap(''))) return []
    const listener = set.slice(countersMap('').length).replaceAll('/', ':')
    const shares = new Map<number, number>()
    for (const { value } of snapshot.sets.get(slotMap(listener))?.elements.values() ?? []) {
      shares.set(Number(value), (shares.get(Number(value)) ?? 0) + 1)
    }
    return [...elements].flatMap(([mark, { comment }]) => {
      const [, server = '', bracketed, plain, port] = /^(\S+) (?:\[(.+)\]|([^:\s]+)):(\d+)$/.exec(comment ?? '') ?? []
      const address = bracketed ?? plain
      if (address === undefined) return []
      const number = Number(mark)
      return [{ listener, server, number, address, port: Number(port), share: shares.get(number) ?? 0 }]
    })
  })
