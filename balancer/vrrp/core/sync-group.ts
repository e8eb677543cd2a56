// A sync group: virtual routers that are master together, backup together and in fault together.

import type { Happening, VirtualRouter } from './state.ts'

/** What a member has to be told; `member` is its place in the group. */
export type GroupNews = { readonly member: number; readonly happening: Happening }

/**
 * What the others must learn after one member, at place `moved`, has left the state `before`. They are told one after
 * another, and each of them that moves asks again; a group at rest has no news.
 */
export const groupNews = (
  group: string,
  members: readonly VirtualRouter[],
  moved: number,
  before: VirtualRouter['state'],
): readonly GroupNews[] => {
  const holds = members.flatMap((member, i): GroupNews[] => {
    const culprit = members.find((other, j) => j !== i && isInTrouble(other))
    const reason = culprit === undefined ? null : `sync group ${group}: ${culprit.settings.name} is in fault`
    if ((member.held === null) === (reason === null)) return []
    return [{ member: i, happening: { event: 'hold-changed', reason } }]
  })
  if (holds.length > 0) return holds

  const mover = members[moved]
  if (mover === undefined || mover.state === before) return []
  // One that leaves may still stay or go, and has to know with whom.
  const follow = (to: 'master' | 'backup', from: 'master' | 'backup'): readonly GroupNews[] =>
    members.flatMap((member, i): GroupNews[] => {
      const reason = `sync group ${group}: ${mover.settings.name} is ${to}`
      return i === moved || (member.state !== from && member.state !== 'leaving')
        ? []
        : [{ member: i, happening: { event: 'group-moved', to, reason } }]
    })
  if (mover.state === 'master') return follow('master', 'backup')
  if (mover.state !== 'backup') return []
  if (before === 'master' || before === 'leaving') return follow('backup', 'master')
  const leader = members.find((member) => member.state === 'master')
  if (leader === undefined) return []
  const reason = `sync group ${group}: ${leader.settings.name} is master`
  return [{ member: moved, happening: { event: 'group-moved', to: 'master', reason } }]
}

/** In fault for a reason of its own, not only because the group is. */
const isInTrouble = (router: VirtualRouter): boolean =>
  router.state === 'fault' && (!router.isLinked || router.retryAt !== null || router.failure !== null)
