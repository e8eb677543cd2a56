// Those who read an event stream (server-sent events): so many at most, and none that does not read.

import type { ServerResponse } from 'node:http'
import { plainAddress } from '../../core/endpoint.ts'
import { securityHeaders } from './answer.ts'

/** One who reads. `send` takes whole events. */
export type Reader = {
  readonly send: (text: string) => void
  /** What was sent before has not left this host. */
  readonly isBehind: () => boolean
}

/** The open streams of one kind. */
export type Streams = {
  /** Begins a stream; undefined where there are too many. */
  readonly open: (response: ServerResponse) => Reader | undefined
  readonly readers: () => ReadonlySet<Reader>
  readonly endAll: () => void
}

const most = { all: 64, perSource: 16 }
/** Bytes that wait for one who reads slowly: a page of a thousand servers twice. */
const mostWaiting = 4 * 1024 * 1024
const heartbeat = 5000
/** Heartbeats after which one who has taken nothing is let go. */
const patience = 3

/** No stream yet. `refused` hears of each that was not to be had, and of each that had to go. */
export const createStreams = (refused: (reason: string) => void): Streams => {
  const open = new Map<Reader, ServerResponse>()
  const sourceOf = (response: ServerResponse) => plainAddress(response.req.socket.remoteAddress)

  const begin = (response: ServerResponse): Reader | undefined => {
    const source = sourceOf(response)
    const own = [...open.values()].filter((one) => sourceOf(one) === source).length
    if (open.size >= most.all || own >= most.perSource) {
      refused('too-many-streams')
      return undefined
    }
    const isBehind = (): boolean => response.writableLength > 0
    const letGo = (): void => {
      // Its `close` comes later than the next event may.
      if (!open.delete(reader)) return
      refused('slow-reader')
      response.destroy()
    }
    const reader: Reader = {
      isBehind,
      send: (text) => {
        if (response.writableLength > mostWaiting) letGo()
        else response.write(text)
      },
    }
    let stuck = 0
    const beat = setInterval(() => {
      stuck = isBehind() ? stuck + 1 : 0
      if (stuck >= patience) letGo()
      else if (stuck === 0) response.write(':\n\n')
    }, heartbeat)
    response.once('close', () => {
      clearInterval(beat)
      open.delete(reader)
    })
    open.set(reader, response)
    response.writeHead(200, { ...securityHeaders, 'content-type': 'text/event-stream; charset=utf-8' })
    response.write('retry: 1000\n\n')
    return reader
  }
  return {
    open: begin,
    readers: () => new Set(open.keys()),
    endAll: () => {
      for (const response of open.values()) response.end()
    },
  }
}
