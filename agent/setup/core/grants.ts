// The least that the check user has to be granted on a server, by the table in mysqlchk-agent(8), and what it lacks.

import { isGroupMember } from '../../verdict/core/group.ts'
import { clusterOf, type TestedMode } from '../../verdict/core/membership.ts'
import { isNdb } from '../../verdict/core/ndb.ts'
import { isAtLeast, isMariaDb, type Seen } from './server.ts'

/** Privileges on something: `SELECT, INSERT` on `mysqlchk.heartbeat`. */
export type Grant = { readonly privileges: readonly string[]; readonly on: string }

/** The parts of the configuration that decide. `adminPort`: the agent logs in at MySQL's administrative port. */
export type Wanted = {
  readonly mode: 'auto' | TestedMode
  readonly heartbeat: { readonly table: string } | null
  readonly adminPort: boolean
}

const everywhere = '*.*'

/** What the configured checks need there. */
export const grantsFor = (seen: Seen, { mode, heartbeat, adminPort }: Wanted): readonly Grant[] => {
  const { words, sources, hasReplicas, version } = seen
  const isReplicated = sources.length > 0 || (hasReplicas && clusterOf(words) === null)
  const isGroup = mode === 'group_replication' || (mode === 'auto' && isGroupMember(words))
  const groupTables = ['replication_group_members', 'replication_group_member_stats']
  const monitor = isMariaDb(seen) && isAtLeast(version, [10, 5, 9]) ? 'SLAVE MONITOR' : 'REPLICATION CLIENT'
  const hasDataNodes = isNdb(words) && (mode === 'ndb' || mode === 'auto')
  return [
    ...(mode === 'replica' || (mode === 'auto' && isReplicated) ? [{ privileges: [monitor], on: everywhere }] : []),
    ...(isGroup ? groupTables.map((table) => ({ privileges: ['SELECT'], on: `performance_schema.${table}` })) : []),
    ...(hasDataNodes ? [{ privileges: ['SELECT'], on: 'ndbinfo.nodes' }] : []),
    ...(heartbeat === null ? [] : [{ privileges: ['SELECT', 'INSERT', 'UPDATE'], on: heartbeat.table }]),
    ...(adminPort && !isMariaDb(seen) ? [{ privileges: ['SERVICE_CONNECTION_ADMIN'], on: everywhere }] : []),
  ]
}

const otherNames: Readonly<Record<string, string>> = { 'SLAVE MONITOR': 'REPLICA MONITOR' }

/** Those of `wanted` that the rows of SHOW GRANTS do not have. */
export const lacking = (wanted: readonly Grant[], shown: readonly string[]): readonly Grant[] => {
  const held = shown.flatMap((text) => {
    const [, privileges, on] = /^GRANT (.+) ON (?:TABLE )?(\S+) TO /.exec(text.replaceAll('`', '')) ?? []
    return privileges === undefined || on === undefined ? [] : [{ privileges: privileges.split(', '), on }]
  })
  const isHeld = (privilege: string, on: string): boolean =>
    held.some(
      (one) =>
        [everywhere, `${on.split('.')[0]}.*`, on].includes(one.on) &&
        [privilege, otherNames[privilege], 'ALL PRIVILEGES'].some((name) => one.privileges.includes(name ?? privilege)),
    )
  return wanted.filter(({ privileges, on }) => !privileges.every((privilege) => isHeld(privilege, on)))
}
