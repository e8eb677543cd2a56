// One event stream of one agent over a socket of its own, for all checks that ask the same of it.

import { performance } from 'node:perf_hooks'
import { readStream, type StreamEvent, type StreamState, streamStart, watchPath } from '../../shared/health-stream.ts'
import { endpointText } from '../core/endpoint.ts'
import { millis } from '../core/time.ts'
import type { Dialer, Line } from './checks/dialer.ts'
import { readHead } from './core/stream-head.ts'
import { type Loss, stepWatch, type WatchEvent, type WatchPace, watchDeadline, watchStart } from './core/watch.ts'

/** What was pushed. */
export type News = Extract<StreamEvent, { readonly event: 'report' }>

/** Who wants what a stream says. */
export type StreamHearer = {
  readonly news: (news: News) => void
  readonly opened: () => void
  readonly lost: (why: Loss) => void
  /** What came was no stream; the reason is counted. */
  readonly fault: (reason: string) => void
}

/** Where a stream comes from. */
export type StreamSource = WatchPace & {
  readonly address: string
  readonly port: number
  readonly dialer: Dialer
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
}

/** A stream, open or not. */
export type Stream = {
  readonly hearers: Set<StreamHearer>
  readonly isOpen: () => boolean
  /** An answer to an ordinary check offered a stream, or did not. */
  readonly offered: (isOffered: boolean) => void
  readonly stop: () => void
}

/** The pieces in which a head may come: who sends byte by byte must not keep this process busy. */
const mostHeadPieces = 256

/** A stream that opens when it is offered. */
export const createStream = (source: StreamSource): Stream => {
  const hearers = new Set<StreamHearer>()
  let state = watchStart
  let line: Line | null = null
  let timer: NodeJS.Timeout | undefined
  let timerAt = Number.POSITIVE_INFINITY
  /** Bytes came, and no event of them. */
  let isDribbling = false

  type Happening = WatchEvent extends infer E ? (E extends WatchEvent ? Omit<E, 'now' | 'spread'> : never) : never
  const happened = (what: Happening): void => {
    const event: WatchEvent = { ...what, now: millis(performance.now()), spread: Math.random() }
    const step = stepWatch(state, event, source)
    const wasOpen = state.is === 'open'
    state = step.state
    for (const effect of step.effects) {
      switch (effect.effect) {
        case 'connect':
          open()
          break
        case 'disconnect':
          line?.socket.destroy()
          line = null
          break
        case 'lost':
          for (const hearer of [...hearers]) hearer.lost(effect.why)
          break
        default:
          effect satisfies never
      }
    }
    if (!wasOpen && state.is === 'open') for (const hearer of [...hearers]) hearer.opened()
    arm()
  }
  /** Heartbeats come often: a timer that is early looks again, and is not moved by each of them. */
  const arm = (): void => {
    const due = watchDeadline(state, source)
    if (due === null) {
      clearTimeout(timer)
      timerAt = Number.POSITIVE_INFINITY
      return
    }
    if (due >= timerAt) return
    clearTimeout(timer)
    timerAt = due
    timer = setTimeout(expire, Math.max(0, due - performance.now()))
  }
  const expire = (): void => {
    // After a stall of the loop timers fire before sockets are read: what waits there is read first.
    setImmediate(() => {
      timerAt = Number.POSITIVE_INFINITY
      const before = state.is
      const isConnected = line?.stage() === 'open'
      happened({ event: 'deadline' })
      if (state.is !== 'waiting') return
      if (before === 'opening' && isConnected) tellFault('slow-head')
      if (before === 'open' && isDribbling) tellFault('slow-event')
    })
  }
  const tellFault = (reason: string): void => {
    for (const hearer of [...hearers]) hearer.fault(reason)
  }
  const fail = (reason: string): void => {
    tellFault(reason)
    happened({ event: 'over', why: 'fault' })
  }

  const open = (): void => {
    const mine = source.dialer.dial(
      () => own.write(requestFor(source)),
      () => undefined,
    )
    const own = mine.socket
    line = mine
    isDribbling = false
    let head = ''
    let pieces = 0
    let stream: StreamState | null = null
    const isMine = (): boolean => line === mine
    const read = (text: string): void => {
      if (stream === null) return
      const step = readStream(stream, text, performance.now())
      stream = step.state
      isDribbling = step.events.length === 0
      for (const event of step.events) {
        if (!isMine()) return
        happened({ event: 'heard' })
        if (event.event === 'goodbye') happened({ event: 'over', why: 'goodbye' })
        if (event.event === 'report') for (const hearer of [...hearers]) hearer.news(event)
      }
      if (step.fault !== null && isMine()) fail(step.fault)
    }
    const readFirst = (text: string): void => {
      head += text
      pieces += 1
      const found = readHead(head)
      switch (found.is) {
        case 'unfinished':
          if (pieces > mostHeadPieces) fail('malformed-head')
          break
        case 'malformed':
          fail('malformed-head')
          break
        case 'refused':
          happened({ event: 'over', why: 'refused' })
          break
        case 'stream':
          stream = streamStart(performance.now())
          head = ''
          happened({ event: 'opened' })
          read(found.rest)
          break
        default:
          found satisfies never
      }
    }
    own.setEncoding('utf8')
    own.on('data', (chunk) => {
      if (!isMine()) return
      if (stream === null) readFirst(String(chunk))
      else read(String(chunk))
    })
    own.once('close', () => {
      if (isMine()) happened({ event: 'over', why: 'ended' })
    })
    own.on('error', () => undefined)
  }

  return {
    hearers,
    isOpen: () => state.is === 'open',
    offered: (isOffered) => happened({ event: 'offered', isOffered }),
    stop: () => {
      clearTimeout(timer)
      hearers.clear()
      state = watchStart
      timerAt = Number.POSITIVE_INFINITY
      line?.socket.destroy()
      line = null
    },
  }
}

const requestFor = ({ address, port, path, headers, heartbeat }: StreamSource): string => {
  const own = Object.entries(headers).filter(([name]) => !['accept', 'connection'].includes(name.toLowerCase()))
  const hasHost = own.some(([name]) => name.toLowerCase() === 'host')
  const lines = [
    `GET ${watchPath}?path=${encodeURIComponent(path)}&heartbeat=${Math.round(heartbeat)}ms HTTP/1.0`,
    ...(hasHost ? [] : [`Host: ${endpointText({ address, port })}`]),
    'Accept: text/event-stream',
    ...own.map(([name, value]) => `${name}: ${value}`),
  ]
  return `${lines.join('\r\n')}\r\n\r\n`
}
