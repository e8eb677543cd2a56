// Deletes what connection tracking still knows of our sessions, ended or not. Nobody is told: see session-tracker.ts for that.

import { openConntrack } from '../../os/conntrack.ts'
import type { EntryKey } from '../../os/conntrack-message.ts'
import type { Outcome } from '../../os/outcome.ts'
import { ownMark, ownMask } from './core/marks.ts'

/** Where the kernel tracks nothing there is nothing of ours. */
const untracked: ReadonlySet<string> = new Set(['EINVAL', 'EOPNOTSUPP', 'EPROTONOSUPPORT'])

/** Resolves with how many there were. The rules must not give our marks any more. */
export const clearSessions = async (): Promise<Outcome<number>> => {
  const conntrack = openConntrack()
  if (!conntrack.ok) return noneWhereUntracked(conntrack)
  const { list, remove, close } = conntrack.value
  try {
    const found: EntryKey[] = []
    const listed = await list({ value: ownMark, mask: ownMask }, ({ family, id, original }) => {
      found.push({ family, id, original: original.slice() })
    })
    if (!listed.ok) return noneWhereUntracked(listed)
    const removed = remove(found)
    return removed.ok ? { ok: true, value: removed.value.filter(Boolean).length } : removed
  } finally {
    close()
  }
}

const noneWhereUntracked = (refusal: Extract<Outcome<never>, { readonly ok: false }>): Outcome<number> =>
  untracked.has(refusal.code) ? { ok: true, value: 0 } : refusal
