// What of a table that is there live sessions may hang on.

import type { Listing } from '../../rules/core/listing.ts'
import type { TimeoutPolicy } from '../../rules/core/table.ts'
import { fingerprint } from '../../rules/core/table.ts'
import type { Numbering } from './kernel-listener.ts'
import { numberedSet } from './kernel-table.ts'
import { onlyTarget } from './listener-rules.ts'
import { pickChain, slotMap } from './names.ts'

/** The marks that the table gives to servers; what cannot be read is left out. */
export const numberingOf = ({ snapshot }: Listing): Numbering => {
  const elements = snapshot.sets.get(numberedSet)?.elements ?? new Map()
  return new Map(
    [...elements].flatMap(([mark, { comment }]) => (comment === null ? [] : [[comment, Number(mark)] as const])),
  )
}

/** The timeouts in the table, for `keptTimeouts`: a session hangs on the policy that it began with. */
export const timeoutsOf = ({ snapshot }: Listing): readonly TimeoutPolicy[] =>
  [...snapshot.timeouts].map(([name, text]) => {
    const [family, ...states] = text.split(' ')
    const policy = Object.fromEntries(states.map((state) => state.split('=')).map(([state, s]) => [state, Number(s)]))
    return { name, family: family === 'ip6' ? 'ip6' : 'ip', policy }
  })

/** The marks of the servers that new sessions of a listener go to by the table. */
export const takersIn = ({ snapshot }: Listing, listener: string, marks: Iterable<number>): ReadonlySet<number> => {
  const slots = snapshot.sets.get(slotMap(listener))?.elements.values() ?? []
  const takers = new Set([...slots].map(({ value }) => Number(value)))
  // One alone has no slots.
  const [rule] = snapshot.chains.get(pickChain(listener))?.rules ?? []
  if (takers.size > 0 || rule === undefined) return takers
  return new Set([...marks].filter((mark) => fingerprint(onlyTarget(mark)) === rule))
}
