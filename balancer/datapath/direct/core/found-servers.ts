// What a table that is there tells of servers: whose number is which, and who gets new sessions.

import type { Endpoint } from '../../../core/endpoint.ts'
import type { Listing } from '../../rules/core/listing.ts'
import { countersMap, slotMap } from './names.ts'

/** A server of a listener as the rules know it. `takes`: new sessions go there. */
export type FoundServer = Endpoint & {
  readonly listener: string
  readonly server: string
  readonly number: number
  readonly takes: boolean
}

/** All of them; what cannot be read is left out. */
export const foundServers = ({ snapshot }: Listing): readonly FoundServer[] =>
  [...snapshot.sets].flatMap(([set, { elements }]) => {
    if (!set.startsWith(countersMap(''))) return []
    const listener = set.slice(countersMap('').length).replaceAll('/', ':')
    const slots = snapshot.sets.get(slotMap(listener))?.elements.values() ?? []
    const takers = new Set([...slots].map(({ value }) => Number(value)))
    return [...elements].flatMap(([mark, { comment }]) => {
      const [, server = '', bracketed, plain, port] = /^(\S+) (?:\[(.+)\]|([^:\s]+)):(\d+)$/.exec(comment ?? '') ?? []
      const address = bracketed ?? plain
      if (address === undefined) return []
      const number = Number(mark)
      return [{ listener, server, number, address, port: Number(port), takes: takers.has(number) }]
    })
  })
