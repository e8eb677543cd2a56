// Who asks for what when: on one connection one answer after another, and of all documents one at a time, so that whoever asks for
// many at once neither keeps the checks waiting nor has answers pile up that nobody reads.

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** Takes a request when the answer before it on its connection is out; one too many ends the connection. */
export type Turns = (request: IncomingMessage, response: ServerResponse, answer: () => void) => void

/** Requests that one connection may have sent ahead. Browsers, curl and Prometheus send none. */
const mostAhead = 8

type Line = { waiting: number; last: Promise<void> }

/** `refused` hears of each connection that had to go. */
export const createTurns = (refused: (reason: string) => void): Turns => {
  const lines = new WeakMap<Socket, Line>()
  return ({ socket }, response, answer) => {
    if (socket.destroyed) return
    const line = lines.get(socket) ?? { waiting: 0, last: Promise.resolve() }
    lines.set(socket, line)
    line.waiting += 1
    if (line.waiting > mostAhead) {
      refused('pipelined')
      socket.destroy()
      return
    }
    const before = line.last
    line.last = new Promise((resolve) => {
      response.once('close', () => {
        line.waiting -= 1
        resolve()
      })
    })
    if (line.waiting === 1) answer()
    else void before.then(answer)
  }
}

/** Runs works one after another, whatever comes of them. */
export const oneAtATime = (): (<T>(work: () => Promise<T>) => Promise<T>) => {
  let last: Promise<unknown> = Promise.resolve()
  return (work) => {
    const next = last.then(work, work)
    last = next
    return next
  }
}
