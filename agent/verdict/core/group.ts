// The Group Replication test: is this server an ONLINE member of a group that has its majority?

import type { Told, Words } from '../../probe/core/facts.ts'
import type { Row } from '../../probe/core/rows.ts'
import type { Reason } from './reason.ts'

/** Member states, https://dev.mysql.com/doc/refman/8.0/en/group-replication-server-states.html */
const lostStates = ['UNREACHABLE', 'ERROR', 'OFFLINE']

/** Whether the server belongs to a group: the plugin is loaded and has a group's name. */
export const isGroupMember = (words: Words): boolean => (words['group_replication_group_name'] ?? '') !== ''

/** The row of this server; one that never joined shows a single row without an id. */
export const ownMember = (words: Words, rows: readonly Row[]): Row | undefined =>
  rows.find((row) => row['member_id'] === words['server_uuid']) ??
  (rows.length === 1 && rows[0]?.['member_id'] === '' ? rows[0] : undefined)

/** Why the member must not serve, or null. */
export const groupObjection = (words: Words, members: Told<readonly Row[]> | null): Reason | null => {
  if (!isGroupMember(words) || members === null) {
    return { code: 'not-applicable', text: 'the server is in no replication group (group_replication_group_name)' }
  }
  if (!members.ok) {
    const text = `performance_schema.replication_group_members cannot be read: ${members.failure.text}`
    return { code: members.failure.code, text }
  }
  const rows = members.value
  const state = ownMember(words, rows)?.['member_state'] ?? 'not known'
  if (state !== 'ONLINE') return { code: 'not-online', text: `MEMBER_STATE is ${state}` }
  const lost = rows.filter((row) => lostStates.includes(row['member_state'] ?? 'OFFLINE')).length
  return lost * 2 < rows.length
    ? null
    : { code: 'no-majority', text: `${lost} of ${rows.length} members of the group cannot be reached` }
}

/** What a report shows of a member. */
export const groupFacts = (words: Words, members: Told<readonly Row[]> | null): Words => {
  if (members === null || !members.ok) return {}
  const own = ownMember(words, members.value)
  return {
    member_state: own?.['member_state'] ?? 'not known',
    member_role: own?.['member_role'] ?? 'not known',
    members_online: String(members.value.filter((row) => row['member_state'] === 'ONLINE').length),
    members: String(members.value.length),
  }
}
