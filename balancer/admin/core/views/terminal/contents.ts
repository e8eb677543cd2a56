// What each view of the live terminal shows of a balancer, whatever the size of the window.

import type { Status } from '../../model/status.ts'
import { peersBlocks } from '../peers-text.ts'
import { eventsTable, serversBlocks, sessionsBlocks, type ToldEvent, verdictLine } from '../show.ts'
import { type Block, isTable, linesBlock } from '../table.ts'
import { routersBlocks, routersTable } from '../vrrp-text.ts'

/** The views, in the order of their keys. `status` is the whole on one screen. */
export const viewNames = ['status', 'servers', 'vrrp', 'sessions', 'events', 'peers'] as const
export type ViewName = (typeof viewNames)[number]

/** What a balancer said: its status, and its events, oldest first. */
export type Answer = { readonly status: Status; readonly events: readonly ToldEvent[] }

/** The events, the newest first: on a screen that is where one looks. */
export const newestFirst = (events: readonly ToldEvent[]): readonly ToldEvent[] => events.toReversed()

/** What a view has, from its beginning to its end. The whole is arranged by the size of the window instead. */
export const contentsOf = (view: Exclude<ViewName, 'status'>, { status, events }: Answer): readonly Block[] => {
  switch (view) {
    case 'servers':
      return serversBlocks(status)
    case 'vrrp':
      return routersBlocks(status.vrrp)
    case 'sessions':
      return sessionsBlocks(status)
    case 'events':
      return events.length === 0 ? linesBlock(['Nothing has changed yet.']) : [eventsTable(newestFirst(events))]
    case 'peers':
      return peersBlocks(status.peers)
    default:
      return view satisfies never
  }
}

/** All that stands out when it was not there before; see `Cell.mark`. */
export const marksOf = (answer: Answer): ReadonlySet<string> => {
  const { status } = answer
  const blocks = [
    [verdictLine(status)],
    routersTable(status.vrrp),
    ...(['servers', 'vrrp', 'events', 'peers'] as const).flatMap((view) => contentsOf(view, answer)),
  ]
  const lines = blocks.flatMap((block) => (isTable(block) ? block.rows : block))
  return new Set(lines.flatMap((line) => line.flatMap(({ mark }) => mark ?? [])))
}
