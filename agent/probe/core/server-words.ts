// What a server said in its own words: they may hold names, statements and rows, and go to the log alone.

import type { Outcome } from './facts.ts'
import type { Failure } from './failure.ts'

/** One text, and what it is about. */
export type ServerWord = { readonly about: string; readonly said: string }

/** All that is worth a line after a probe. */
export const serverWords = (outcome: Outcome): readonly ServerWord[] => {
  switch (outcome.kind) {
    case 'late':
      return []
    case 'failed':
      return wordOf('the login', outcome.failure)
    case 'answered': {
      const { check, words, channels, groupMembers, backlog, dataNodes, disk, write, refused, closed } = outcome.facts
      return [
        ...wordOf('the check query', check),
        ...wordOf('its variables', failureIn(words)),
        ...wordOf('its replication', exceptDenied(channels)),
        ...wordOf('its group', exceptDenied(groupMembers)),
        ...wordOf('its applier', exceptDenied(backlog)),
        ...wordOf('its data nodes', exceptDenied(dataNodes)),
        ...wordOf('its disk', failureIn(disk)),
        ...wordOf('the heartbeat', write),
        ...wordOf('the usual port', refused),
        ...wordOf('the way of the clients', closed ?? null),
        ...(channels.ok ? channels.value : []).flatMap(({ name, said = '' }) =>
          said === '' ? [] : [{ about: `replication${name && ` ${name}`}`, said }],
        ),
      ]
    }
    default:
      return outcome satisfies never
  }
}

type Answer = { readonly ok: boolean; readonly failure?: Failure } | null

const failureIn = (told: Answer): Failure | null => told?.failure ?? null

/** What the check user was not given is no news. */
const exceptDenied = (told: Answer): Failure | null => {
  const failure = failureIn(told)
  return failure?.code === 'access-denied' ? null : failure
}

const wordOf = (about: string, failure: Failure | null): readonly ServerWord[] =>
  failure?.said === undefined || failure.said === '' ? [] : [{ about, said: failure.said }]
