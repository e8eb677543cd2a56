// What `balancer --help` says of the commands that go to the running balancer.

import { commands } from './table.ts'

const ours = commands.filter(({ of }) => of === 'balancer')
const [show, width] = ['show ', 55]

/** What can be shown of ours: `servers`, `vrrp`, … */
export const shownWords: readonly string[] = ours.flatMap(({ words }) =>
  words.startsWith(show) ? [words.slice(show.length)] : [],
)

/** A line for each of our commands but those that show something. */
export const orderUsage: string = ours
  .filter(({ words }) => !words.startsWith(show))
  .map(({ words, arguments: rest, help }) => `  balancer ${`${words} ${rest}`.padEnd(width)} ${help}`)
  .join('\n')

/** First words of all commands that can be given to the running balancer, HAProxy's among them. */
export const runtimeWords: ReadonlySet<string> = new Set(
  commands.filter(({ of }) => of !== 'connection').map(({ words }) => words.split(' ')[0] ?? ''),
)
