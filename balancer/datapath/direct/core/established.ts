// Who has the sessions that this host has never seen: the slots as they were when it took them over from a balancer that can
// tell nothing any more.

import type { SlotTable } from '../../../pool/core/slot-table.ts'

/** The slots of then, until whoever has been silent since is over; moments of the caller's clock. */
export type Established = { readonly table: SlotTable; readonly since: number; readonly until: number }

/** Without a server whose sessions have ended, and without what cannot have any more. */
export const withoutServer = (established: Established | null, server: string): Established | null =>
  established === null
    ? null
    : {
        ...established,
        table: {
          ...established.table,
          targets: established.table.targets.filter((target) => target.server !== server),
        },
      }

/**
 * The slots for them now; undefined where they are those of new sessions. Another listener's hash, as after a reload with another
 * `balance`, or slots with nobody in them would send them nowhere.
 */
export const establishedTable = (
  established: Established | null,
  now: SlotTable,
  at: number,
  isKnown: (server: string) => boolean,
): SlotTable | undefined => {
  if (established === null || at >= established.until) return undefined
  const { table } = established
  const targets = table.targets.filter(({ server }) => isKnown(server))
  const isSameHash = table.seed === now.seed && table.slotCount === now.slotCount && table.hash === now.hash
  if (!isSameHash || targets.length === 0 || isSame(targets, now.targets)) return undefined
  return targets.length === table.targets.length ? table : { ...table, targets }
}

const isSame = (a: SlotTable['targets'], b: SlotTable['targets']): boolean =>
  a.length === b.length && a.every(({ server, weight }, i) => server === b[i]?.server && weight === b[i]?.weight)
