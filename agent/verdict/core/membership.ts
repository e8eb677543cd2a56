// What kind of server this is, and the test that belongs to each kind.

import type { testedModes } from '../../../shared/health-report.ts'
import type { ServerFacts, Words } from '../../probe/core/facts.ts'
import type { Failure } from '../../probe/core/failure.ts'
import { backlogFacts } from './backlog.ts'
import { galeraFacts, galeraObjection, isGalera } from './galera.ts'
import { groupFacts, groupObjection, isGroupMember } from './group.ts'
import { isNdb, ndbFacts, ndbObjection } from './ndb.ts'
import type { Reason } from './reason.ts'
import { type ReplicaBounds, replicaFacts, replicaObjection } from './replica.ts'
import { resourceFacts } from './resources.ts'
import { readOnlyFlags } from './writable.ts'

/** The tests, one per kind of server. */
export type TestedMode = (typeof testedModes)[number]

/** What the tests allow. */
export type Tolerance = ReplicaBounds & { readonly availableWhenDonor: boolean | 'last' }

/** The kind of cluster that the server belongs to; null for one that stands alone or replicates the classic way. */
export const clusterOf = (words: Words): Exclude<TestedMode, 'ping' | 'replica'> | null =>
  isGalera(words) ? 'galera' : isGroupMember(words) ? 'group_replication' : isNdb(words) ? 'ndb' : null

/** Why the server fails the test of a kind, or null. */
export const membershipObjection = (
  mode: TestedMode,
  facts: ServerFacts,
  words: Words,
  tolerance: Tolerance,
): Reason | null => {
  switch (mode) {
    case 'ping':
      return null
    case 'galera':
      return galeraObjection(words, tolerance.availableWhenDonor === true)
    case 'group_replication':
      return groupObjection(words, facts.groupMembers)
    case 'ndb':
      return ndbObjection(words, facts.dataNodes)
    case 'replica': {
      const { channels } = facts
      if (!channels.ok) {
        const text = `the server does not tell its replication status: ${hidden(channels.failure)}`
        return { code: channels.failure.code, text }
      }
      if (channels.value.length === 0) return { code: 'not-applicable', text: 'the server replicates from no source' }
      return replicaObjection(channels.value, tolerance)
    }
    default:
      return mode satisfies never
  }
}

/** What a report shows beside a verdict: the words that it rests on, and none beside them. */
export const shownFacts = (mode: TestedMode, facts: ServerFacts, words: Words): Words => {
  const cluster = clusterOf(words)
  const names = [...(mode === 'galera' ? galeraFacts : []), ...(mode === 'ndb' ? ndbFacts : []), ...readOnlyFlags]
  const { channels } = facts
  return {
    ...picked(words, names),
    ...(mode === 'group_replication' ? groupFacts(words, facts.groupMembers) : {}),
    ...backlogFacts(facts),
    ...(channels.ok ? replicaFacts(channels.value) : {}),
    ...resourceFacts(facts),
    // Only where it may matter: the members of a cluster are judged without it.
    ...(!channels.ok && cluster === null ? { replication: `not visible: ${hidden(channels.failure)}` } : {}),
  }
}

/** Why replication is not seen, with what would show it. */
export const hidden = ({ code, text }: Failure): string =>
  code === 'access-denied' ? `${text} (SLAVE MONITOR, or REPLICATION CLIENT)` : text

/** Made for each answer: a server tells far more words than are shown. */
const picked = (words: Words, names: readonly string[]): Words => {
  const some: Record<string, string> = {}
  for (const name of names) {
    const word = words[name]
    if (word !== undefined) some[name] = word
  }
  return some
}
