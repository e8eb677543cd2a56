// `balance: single`: which one server of a listener takes the sessions. Two balancers that see the same choose the same.

import type { ListenerConfig } from '../../config/schema.ts'
import type { ServerHealthFact } from './facts.ts'
import { isUnchecked, takesSessions } from './server-state.ts'

/** What the choice depends on. `current` is the writer so far. */
export type WriterQuestion = {
  readonly config: Pick<ListenerConfig, 'fail_back' | 'servers'>
  readonly healthOf: (server: string) => ServerHealthFact | undefined
  readonly current: string | null
}

/**
 * The writer: the current one as long as it can be, else the first in the file that can, backups last. Where agents tell
 * roles, only primaries can. `fail_back` gives the first in the file its place back. Without a current one nothing is
 * chosen before every server has its first result, and with one nothing before a changed check has told every role, so that
 * a slow answer does not decide.
 */
export const chooseWriter = ({ config, healthOf, current }: WriterQuestion): string | null => {
  const servers = config.servers.map(({ name, backup }) => ({ name, backup, health: healthOf(name) }))
  const isOpen = servers.some(({ health }) => health === undefined || isUnchecked(health))
  if (current === null && isOpen) return null
  const able = servers.filter(
    ({ health }) => health !== undefined && takesSessions(health) && health.role !== 'replica',
  )
  const isAsked = able.some(({ health }) => health?.roleIsOld === true)
  if (isAsked && able.some(({ name }) => name === current)) return current
  const primaries = able.filter(({ health }) => health?.role === 'primary')
  const candidates = primaries.length > 0 ? primaries : able
  const isStill = candidates.some(({ name }) => name === current)
  if (isStill && !config.fail_back) return current
  const first = candidates.find(({ backup }) => !backup) ?? candidates[0]
  return first?.name ?? null
}
