// One connection to another balancer: lines in and out, no faster than either side can take them.

import { performance } from 'node:perf_hooks'
import { setImmediate as nextTurn, setTimeout as wait } from 'node:timers/promises'
import type { TLSSocket } from 'node:tls'
import { createLineCutter } from './core/lines.ts'
import { lineOf, longestLine, type PeerMessage, parseLine } from './core/messages.ts'

export type Connection = {
  readonly send: (message: PeerMessage) => void
  /** Whether the other side has not taken yet what it was sent; `onRoom` says when it has. */
  readonly isFull: () => boolean
  /** How long it has been full. */
  readonly fullFor: () => number
  /** Whether something that came in is being worked on: it was heard, whatever the clock says. */
  readonly isBusy: () => boolean
  /** Ends it with a word to the other side. Nothing is called any more. Resolves when it is gone. */
  readonly close: (why: string) => Promise<void>
}

export type ConnectionOptions = {
  readonly socket: TLSSocket
  readonly onHeard: () => void
  /** The next line is not read before this resolves. */
  readonly onMessage: (message: PeerMessage) => Promise<void>
  readonly onMalformed: (reason: string) => void
  readonly onRoom: () => void
  readonly onClosed: (why: string) => void
}

/** Lines of an honest peer come in bursts of a few hundred; more wait in its own buffers. */
const linesPerSecond = 1000
const burst = 2000
/** How long lines are worked on before others have a turn, in milliseconds. */
const turn = 8
const goodbyeLimit = 500

/** Reads from a socket whose handshake is over. */
export const openConnection = (options: ConnectionOptions): Connection => {
  const { socket, onHeard, onMessage, onMalformed, onRoom, onClosed } = options
  let isOver = false
  let isBusy = false
  let fullSince: number | null = null
  socket.setNoDelay(true)
  socket.setEncoding('utf8')
  socket.on('error', () => {})
  socket.on('drain', () => {
    fullSince = null
    if (!isOver) onRoom()
  })
  const over = (why: string): void => {
    socket.destroy()
    if (isOver) return
    isOver = true
    onClosed(why)
  }

  let tokens = burst
  let filledAt = performance.now()
  /** Resolves when one more line may be taken. */
  const admission = async (): Promise<void> => {
    const now = performance.now()
    tokens = Math.min(burst, tokens + ((now - filledAt) * linesPerSecond) / 1000)
    filledAt = now
    tokens -= 1
    if (tokens < 0) await wait((-tokens * 1000) / linesPerSecond)
  }
  const cutter = createLineCutter(longestLine)
  let turnEnds = 0
  const take = async (line: string): Promise<void> => {
    await admission()
    if (performance.now() > turnEnds) {
      await nextTurn()
      turnEnds = performance.now() + turn
    }
    if (isOver) return
    const parsed = parseLine(line)
    if (!parsed.ok) onMalformed(parsed.reason)
    else await onMessage(parsed.message)
  }
  const read = async (): Promise<void> => {
    const pieces: AsyncIterator<string> = socket[Symbol.asyncIterator]()
    while (!isOver) {
      let piece: IteratorResult<string>
      try {
        piece = await pieces.next()
      } catch (error) {
        return over(`the connection broke (${error instanceof Error && 'code' in error ? error.code : String(error)})`)
      }
      if (piece.done === true) return over('it closed the connection')
      if (isOver) return
      onHeard()
      isBusy = true
      const { lines, isTooLong } = cutter.cut(piece.value)
      for (const line of lines) await take(line)
      isBusy = false
      if (isTooLong) {
        onMalformed('too-long')
        return over('it sent a line that is too long')
      }
    }
  }

  const send = (message: PeerMessage): void => {
    if (isOver || socket.destroyed) return
    if (!socket.write(lineOf(message))) fullSince ??= performance.now()
  }
  // What fails in there is no fault of the network, and ends the process.
  void read()
  return {
    send,
    isFull: () => fullSince !== null,
    fullFor: () => (fullSince === null ? 0 : performance.now() - fullSince),
    isBusy: () => isBusy,
    close: async (why) => {
      if (isOver) return
      send({ type: 'bye', why })
      isOver = true
      if (socket.destroyed) return
      const gone = new Promise((resolve) => socket.once('close', resolve))
      socket.end()
      const timer = setTimeout(() => socket.destroy(), goodbyeLimit)
      await gone
      clearTimeout(timer)
    },
  }
}
