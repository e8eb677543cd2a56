// The flags of the benchmark.

import { parseArgs } from 'node:util'
import { listOf, numberOf } from '../datapath/arguments.ts'
import { type ContestantName, contestantNames } from './contestants.ts'
import { type EventName, eventNames } from './events.ts'

/** What to measure. */
export type Wanted = {
  readonly contestants: readonly ContestantName[]
  readonly events: readonly EventName[]
  readonly rounds: number
  /** After so many minutes nothing new is begun. */
  readonly minutes: number
  readonly json: string | null
}

export const help = `npm run bench:survive [-- FLAGS]    what sessions survive, in turn on the same hosts

  --contestants A,B    of ${contestantNames.join(', ')}
  --events A,B         of ${eventNames.join(', ')}
  --rounds N           (default 2); sessions lost are of all rounds, pauses their median and the most
  --minutes N          after so many nothing new is begun (default 8)
  --json FILE          writes everything that was measured there as well
`

/** The flags, or null when help is asked for; throws with a sentence for what is wrong. */
export const parseWanted = (args: readonly string[]): Wanted | null => {
  const { values } = parseArgs({
    args: [...args],
    options: {
      contestants: { type: 'string', default: contestantNames.join(',') },
      events: { type: 'string', default: eventNames.join(',') },
      rounds: { type: 'string', default: '2' },
      minutes: { type: 'string', default: '8' },
      json: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  if (values.help) return null
  return {
    contestants: listOf('contestant', values.contestants, contestantNames),
    events: listOf('event', values.events, eventNames),
    rounds: numberOf('rounds', values.rounds, 100),
    minutes: numberOf('minutes', values.minutes, 600),
    json: values.json ?? null,
  }
}
