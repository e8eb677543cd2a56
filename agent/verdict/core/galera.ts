// The Galera test: is this node a synced member of the Primary component that takes queries?

import type { Words } from '../../probe/core/facts.ts'
import type { Reason } from './reason.ts'

/** wsrep_local_state, https://galeracluster.com/library/documentation/galera-status-variables.html */
const donorState = '2'
const syncedState = '4'

/** State transfers that let the donor serve meanwhile. What is not named here, a script of somebody's own too, blocks. */
const openTransfers = ['xtrabackup', 'xtrabackup-v2', 'mariabackup', 'mariadb-backup', 'clone']

/** What a report shows of a Galera node. */
export const galeraFacts = [
  'wsrep_cluster_status',
  'wsrep_cluster_size',
  'wsrep_ready',
  'wsrep_local_state',
  'wsrep_local_state_comment',
  'wsrep_desync',
  'wsrep_reject_queries',
  'wsrep_sst_method',
  'pxc_maint_mode',
]

/** What tells whether a server is meant for Galera. */
export const galeraSettings = ['wsrep_on', 'wsrep_provider', 'wsrep_cluster_address']

const hasProvider = (words: Words): boolean => !['', 'none'].includes(words['wsrep_provider'] ?? '')

/** Whether the server is meant to be a Galera node: it has a provider, or the address of a cluster. */
export const isGalera = (words: Words): boolean => hasProvider(words) || (words['wsrep_cluster_address'] ?? '') !== ''

/** Why one that is meant to be a node is none: its writes reach nobody. wsrep_on is not told by every version. */
const offObjection = (words: Words): Reason | null => {
  if (!hasProvider(words))
    return { code: 'galera-off', text: 'wsrep_cluster_address is set and wsrep_provider is none' }
  return (words['wsrep_on'] ?? 'ON') === 'ON'
    ? null
    : { code: 'galera-off', text: 'a wsrep_provider is set and wsrep_on is OFF' }
}

/** Why the node must not serve, or null. The most telling reason comes first. */
export const galeraObjection = (words: Words, availableWhenDonor: boolean): Reason | null => {
  const word = (name: string) => words[name] ?? 'not known'
  const is = (name: string) => `${name} is ${word(name)}`
  if (!isGalera(words)) return { code: 'not-applicable', text: 'the server is no Galera node (wsrep_provider)' }
  const off = offObjection(words)
  if (off !== null) return off
  if (word('wsrep_cluster_status') !== 'Primary') return { code: 'not-primary', text: is('wsrep_cluster_status') }
  if (word('wsrep_ready') !== 'ON') return { code: 'not-ready', text: is('wsrep_ready') }
  const maintenance = words['pxc_maint_mode'] ?? 'DISABLED'
  if (maintenance !== 'DISABLED') return { code: 'maintenance-mode', text: is('pxc_maint_mode') }
  // A desynced node is in the donor's state too, so this tells an operator's hand from a state transfer.
  if (word('wsrep_desync') === 'ON') return { code: 'desynced', text: is('wsrep_desync') }
  // In full it is Donor/Desynced: who looks for `synced` in an answer must not find it there.
  const comment = word('wsrep_local_state_comment').replace('/Desynced', '')
  const state = `${is('wsrep_local_state')} (${comment})`
  switch (words['wsrep_local_state']) {
    case syncedState:
      break
    case donorState: {
      if (!availableWhenDonor) return { code: 'donor', text: state }
      const method = is('wsrep_sst_method')
      if (!openTransfers.includes(word('wsrep_sst_method'))) {
        return { code: 'donor', text: `${state}, and ${method}, which may block the donor` }
      }
      break
    }
    default:
      return { code: 'not-synced', text: state }
  }
  const rejecting = words['wsrep_reject_queries'] ?? 'NONE'
  return rejecting === 'NONE' ? null : { code: 'rejecting-queries', text: is('wsrep_reject_queries') }
}
