// What a sync group is to those who are notified.

import type { NotifiedState } from '../../notify/core/notification.ts'

/** The state of a sync group: that of its members where they agree, else none. */
export const groupState = (members: readonly (NotifiedState | undefined)[]): NotifiedState | null => {
  const [first] = members
  return first !== undefined && members.every((state) => state === first) ? first : null
}
