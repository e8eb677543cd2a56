// The flags of the benchmark.

import { parseArgs } from 'node:util'
import { contestantNames } from './contestants.ts'
import { type LoadName, loadNames } from './loads.ts'

/** What is measured, in this order. */
export const sectionNames = [...loadNames, 'change', 'thousand'] as const
export type SectionName = LoadName | 'change' | 'thousand'

/** What to measure. */
export type Wanted = {
  readonly contestants: readonly string[]
  readonly sections: readonly SectionName[]
  readonly rounds: number
  /** Of one load. */
  readonly seconds: number
  /** After so many minutes nothing new is begun. */
  readonly minutes: number
  readonly json: string | null
}

export const help = `npm run bench:datapath [-- FLAGS]    who forwards, and what it costs, in turn on the same servers

  --contestants A,B    of ${contestantNames.join(', ')}
  --sections A,B       of ${sectionNames.join(', ')}
  --rounds N           of each load on each contestant (default 8); medians are told. Orders take 3, 1,000 servers 2
  --seconds N          of each load (default 1)
  --minutes N          after so many nothing new is begun (default 15)
  --json FILE          writes everything that was measured there as well

It takes twelve minutes. Ratios are to no balancer in the same round. It needs two processors that do nothing else.
`

/** The known ones that a flag names, in their order; throws for one that is not known. */
export const listOf = <T extends string>(what: string, text: string, known: readonly T[]): readonly T[] => {
  const asked = text.split(',')
  const unknown = asked.find((name) => !known.some((one) => one === name))
  if (unknown !== undefined) throw new Error(`there is no ${what} "${unknown}"; there are ${known.join(', ')}`)
  return known.filter((name) => asked.includes(name))
}

/** The number of a flag, from 1 on; throws for anything else. */
export const numberOf = (flag: string, text: string, most: number): number => {
  const value = Number(text)
  if (!/^\d+$/.test(text) || value < 1 || value > most) throw new Error(`--${flag} takes a number from 1 to ${most}`)
  return value
}

/** The flags, or null when help is asked for; throws with a sentence for what is wrong. */
export const parseWanted = (args: readonly string[]): Wanted | null => {
  const { values } = parseArgs({
    args: [...args],
    options: {
      contestants: { type: 'string', default: contestantNames.join(',') },
      sections: { type: 'string', default: sectionNames.join(',') },
      rounds: { type: 'string', default: '8' },
      seconds: { type: 'string', default: '1' },
      minutes: { type: 'string', default: '15' },
      json: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  if (values.help) return null
  return {
    contestants: listOf('contestant', values.contestants, contestantNames),
    sections: listOf('section', values.sections, sectionNames),
    rounds: numberOf('rounds', values.rounds, 100),
    seconds: numberOf('seconds', values.seconds, 600),
    minutes: numberOf('minutes', values.minutes, 600),
    json: values.json ?? null,
  }
}
