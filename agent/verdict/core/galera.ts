// The Galera test: is this node a synced member of the Primary component that takes queries?

import type { Words } from '../../probe/core/facts.ts'
import type { Reason } from './judge.ts'

/** wsrep_local_state, https://galeracluster.com/library/documentation/galera-status-variables.html */
const donorState = '2'
const syncedState = '4'

/** What a report shows of a Galera node. */
export const galeraFacts = [
  'wsrep_cluster_status',
  'wsrep_cluster_size',
  'wsrep_ready',
  'wsrep_local_state',
  'wsrep_local_state_comment',
  'wsrep_desync',
  'wsrep_reject_queries',
]

/** Whether the server is a Galera node: wsrep on, with a provider loaded. */
export const isGalera = (words: Words): boolean => {
  const provider = words['wsrep_provider'] ?? ''
  return words['wsrep_on'] === 'ON' && provider !== '' && provider !== 'none'
}

/** Why the node must not serve, or null. The most telling reason comes first. */
export const galeraObjection = (words: Words, availableWhenDonor: boolean): Reason | null => {
  const word = (name: string) => words[name] ?? 'not known'
  const is = (name: string) => `${name} is ${word(name)}`
  if (!isGalera(words))
    return { code: 'not-applicable', text: 'the server is no Galera node (wsrep_on, wsrep_provider)' }
  if (word('wsrep_cluster_status') !== 'Primary') return { code: 'not-primary', text: is('wsrep_cluster_status') }
  if (word('wsrep_ready') !== 'ON') return { code: 'not-ready', text: is('wsrep_ready') }
  // A desynced node is in the donor's state too, so this tells an operator's hand from a state transfer.
  if (word('wsrep_desync') === 'ON') return { code: 'desynced', text: is('wsrep_desync') }
  const state = word('wsrep_local_state')
  if (state !== syncedState && !(state === donorState && availableWhenDonor)) {
    const text = `${is('wsrep_local_state')} (${word('wsrep_local_state_comment')})`
    return { code: state === donorState ? 'donor' : 'not-synced', text }
  }
  const rejecting = words['wsrep_reject_queries'] ?? 'NONE'
  return rejecting === 'NONE' ? null : { code: 'rejecting-queries', text: is('wsrep_reject_queries') }
}
