// `/events` as a stream, for programs: each event as it happens, and those that were missed by one who comes back.

import type { ServerResponse } from 'node:http'
import { printableJson } from '../../core/text.ts'
import type { Event, Events } from '../../pool/core/events.ts'
import { eventMembers } from '../core/views/show.ts'
import { createStreams } from './streams.ts'

/** The streams of events. */
export type EventStream = {
  /** Begins one; false where there are too many. */
  readonly open: (response: ServerResponse) => boolean
  readonly note: (event: Event) => void
  readonly endAll: () => void
}

/** No reader yet. `events` are those there were. */
export const createEventStream = (events: () => Events, refused: (reason: string) => void): EventStream => {
  const streams = createStreams(refused)
  return {
    open: (response) => {
      const reader = streams.open(response)
      // Two may have the same moment: one that comes twice is better than one that is lost.
      const since = Number(response.req.headers['last-event-id'])
      if (Number.isInteger(since)) for (const event of events()) if (event.at >= since) reader?.send(textOf(event))
      return reader !== undefined
    },
    note: (event) => {
      for (const reader of streams.readers()) reader.send(textOf(event))
    },
    endAll: streams.endAll,
  }
}

const textOf = (event: Event): string =>
  `id: ${event.at}\ndata: ${printableJson(JSON.stringify(eventMembers(event, iso)))}\n\n`

const iso = (moment: number): string => new Date(moment).toISOString()
