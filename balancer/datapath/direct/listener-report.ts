// What the direct datapath tells of its listeners: sessions by the flows that it has seen, what clients sent, and whether they
// are served. What servers answer does not pass here.

import { endpointText } from '../../core/endpoint.ts'
import type { ListenerFact } from '../../pool/core/facts.ts'
import type { Finding } from '../../pool/core/listener-fact.ts'
import type { Count } from '../rules/core/elements.ts'
import { refusalCounter, serverCounter, turnedAway } from './core/names.ts'
import type { Tallies } from './core/tallies.ts'
import type { RunningListener } from './listener.ts'

/**
 * All that a fact is made of. `counters`: by name. `trouble`: why nobody is served who reaches an address; null where all are. `exceptions`: sessions that are not where the table would send them.
 */
export type ReportInput = {
  readonly listener: Pick<RunningListener, 'config' | 'places' | 'numberOf' | 'isPanicking'>
  readonly tallies: Tallies
  readonly counters: ReadonlyMap<string, Count>
  readonly exceptions: number | null
  readonly trouble: string | null
  readonly findings: readonly Finding[]
}

/** The fact of one listener. Its addresses are open wherever they are now: whoever reaches one is forwarded. */
export const reportOf = (input: ReportInput): ListenerFact => {
  const { listener, tallies, counters, exceptions, trouble, findings } = input
  const { name, bind } = listener.config()
  const { ends, connectFailures: _, ...counts } = tallies.all()
  const refused = turnedAway
    .map((reason) => [reason, counters.get(refusalCounter(reason, name))?.packets ?? 0] as const)
    .filter(([, packets]) => packets > 0)
  return {
    fact: 'listener',
    listener: name,
    datapath: 'direct',
    binds: bind.map((endpoint) => ({ address: endpointText(endpoint), open: trouble === null, why: trouble })),
    ...counts,
    panicking: listener.isPanicking(),
    ends: { ...ends, ...Object.fromEntries(refused) },
    servers: listener.places().map((place) => {
      const number = listener.numberOf(place)
      return {
        server: place.server,
        ...tallies.server(number),
        bytesIn: number === undefined ? null : (counters.get(serverCounter(name, number))?.bytes ?? null),
        bytesOut: null,
        refusedConnects: null,
        failuresInARow: null,
        detail: null,
      }
    }),
    findings,
    detail: { kind: 'direct', exceptions },
  }
}
