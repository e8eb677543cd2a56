// What changed, when and why: the last events of one balancer, for its operator.

import type { ChangeLine } from './server-change.ts'

/** A change with its moment, in milliseconds since the epoch. */
export type Event = ChangeLine & { readonly at: number }

/** The last events, oldest first. */
export type Events = readonly Event[]

/** Older events are forgotten; the log has them. */
export const maximumEvents = 1000

/** The events after one more. */
export const withEvent = (events: Events, event: Event): Events => [...events.slice(1 - maximumEvents), event]
