// How long the sources of a replica have been away, as far as the agent has seen it: the server does not tell.

import { type Millis, millis } from '../../core/time.ts'
import type { Channel } from './replication.ts'

/** Since when each source is away, by the name of its channel; moments of the monotonic clock. */
export type Absences = ReadonlyMap<string, Millis>

/** The channels of a probe at `now` with the time that their sources are away, and what to remember of it. */
export const noteAbsences = (
  channels: readonly Channel[],
  known: Absences,
  now: Millis,
): { readonly channels: readonly Channel[]; readonly absences: Absences } => {
  const away = channels.filter(({ isSourceAway }) => isSourceAway)
  const absences = new Map(away.map(({ name }) => [name, known.get(name) ?? now]))
  return {
    absences,
    channels: channels.map((channel) => {
      const since = absences.get(channel.name)
      return since === undefined ? channel : { ...channel, awayFor: millis(now - since) }
    }),
  }
}
