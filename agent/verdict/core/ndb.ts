// The NDB Cluster test: does this SQL node see data nodes that are ready?

import type { Told, Words } from '../../probe/core/facts.ts'
import type { Row } from '../../probe/core/rows.ts'
import type { Reason } from './reason.ts'

const readyNodes = 'ndb_number_of_ready_data_nodes'

/** What a report shows of an SQL node. */
export const ndbFacts = ['ndb_number_of_data_nodes', readyNodes]

/** Whether the server is an SQL node of an NDB cluster: only the engine brings this status. */
export const isNdb = (words: Words): boolean => words[readyNodes] !== undefined

/** Why the SQL node must not serve, or null. ndbinfo is asked where the check user may read it. */
export const ndbObjection = (words: Words, dataNodes: Told<readonly Row[]> | null): Reason | null => {
  if (!isNdb(words)) return { code: 'not-applicable', text: 'the server has no NDB engine (ndbcluster)' }
  const ready = words[readyNodes] ?? ''
  if (!/^[1-9]\d*$/.test(ready)) return { code: 'no-data-nodes', text: `Ndb_number_of_ready_data_nodes is ${ready}` }
  if (dataNodes?.ok !== true) return null
  const started = dataNodes.value.filter((row) => row['status'] === 'STARTED').length
  return started > 0
    ? null
    : { code: 'no-data-nodes', text: `none of ${dataNodes.value.length} data nodes in ndbinfo.nodes is STARTED` }
}
