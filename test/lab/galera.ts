// What makes MariaDB servers a Galera cluster: their settings, and when a node takes part.

import type { GaleraMembership, Row } from './mariadb.ts'

const provider = '/usr/lib/galera/libgalera_smm.so'
const syncedState = '4'

/** The lines of the option file that make a server a node of a cluster. */
export const galeraSettings = (
  name: string,
  { address, nodes }: GaleraMembership,
): Readonly<Record<string, string>> => ({
  wsrep_on: 'ON',
  wsrep_provider: provider,
  wsrep_cluster_name: 'lab',
  wsrep_cluster_address: `gcomm://${nodes.join(',')}`,
  wsrep_node_name: name,
  wsrep_node_address: address,
  wsrep_sst_method: 'rsync',
  wsrep_provider_options: 'gcache.size=16M',
  binlog_format: 'ROW',
  default_storage_engine: 'InnoDB',
  innodb_autoinc_lock_mode: '2',
})

/** Whether the rows of `SHOW STATUS LIKE 'wsrep_%'` say that the node is synced and takes queries. */
export const isSynced = (rows: readonly Row[]): boolean => {
  const values = new Map(rows.map((row) => [row['Variable_name'], row['Value']]))
  return (
    values.get('wsrep_local_state') === syncedState &&
    values.get('wsrep_ready') === 'ON' &&
    values.get('wsrep_cluster_status') === 'Primary'
  )
}
