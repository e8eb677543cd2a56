// What stands before the HTTP parser: it hears the first bytes of a connection, takes off the header of the PROXY
// protocol, and has those answered who send no request, as the scripts under xinetd answered everybody.

import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import { performance } from 'node:perf_hooks'
import { firstWords, targetIn } from './core/first-words.ts'
import { proxyHeaderLength } from './core/proxy-header.ts'

/** How connections are received. */
export type FrontSettings = {
  /** Whether those are answered too who send no request; else only the PROXY protocol is looked for. */
  readonly isTolerant: () => boolean
  /** Answers once and ends the connection. `target` is null where nothing was said. */
  readonly answer: (socket: Socket, target: string | null) => void
}

/** The connections that the HTTP parser has not got. */
export type Front = {
  /** What a connection asked for when it went to the parser; null where it was not heard. */
  readonly heardOn: (socket: object) => string | null
  /** Ends those that wait to be answered. */
  readonly stop: () => void
}

/**
 * How long a client may say nothing before it is answered unasked. A request whose first packet is lost comes within that
 * time, and a checker that asks twice a second is still waiting.
 */
const momentMillis = 300
/** Who says a little now and then is answered all the same. */
const longestMillis = 5000

/**
 * Stands before a server's own listener: connections that are handed to a server which does not listen itself would not be
 * among those whose time it limits.
 */
export const placeFront = (
  server: Server,
  event: 'connection' | 'secureConnection',
  { isTolerant, answer }: FrontSettings,
): Front => {
  const parsers = server.listeners(event)
  server.removeAllListeners(event)
  const waiting = new Set<Socket>()
  const heard = new WeakMap<object, string>()

  const receive = (socket: Socket): void => {
    if (socket.destroyed) return
    const until = performance.now() + longestMillis
    let bytes: Buffer = Buffer.alloc(0)
    let timer: NodeJS.Timeout | undefined

    const said = (): Buffer => bytes.subarray(proxyHeaderLength(bytes) ?? bytes.length)
    const leave = (): void => {
      clearTimeout(timer)
      timer = undefined
      socket.off('readable', read).off('end', end).off('close', leave).off('error', ignore)
      waiting.delete(socket)
    }
    const toParser = (): void => {
      leave()
      const rest = said()
      if (rest.length > 0) socket.unshift(rest)
      heard.set(socket, targetIn(rest))
      for (const parser of parsers) Reflect.apply(parser, server, [socket])
    }
    const toAnswer = (): void => {
      leave()
      const rest = said()
      answer(socket, rest.length === 0 ? null : targetIn(rest))
    }
    const isAnswerable = (): boolean => {
      const words = firstWords(said())
      return isTolerant() && (words.are !== 'unfinished' || words.isAnswerable)
    }
    /** Nothing more came in time. */
    const conclude = (): void => {
      if (isAnswerable()) toAnswer()
      else toParser()
    }
    /** The client has said all that it has to say. */
    const end = (): void => {
      if (isAnswerable()) return void toAnswer()
      leave()
      socket.end()
    }
    const awaitMore = (): void => {
      clearTimeout(timer)
      const mine = setTimeout(
        // After a stall of the loop timers fire before sockets are read: look at the socket once more.
        () => setImmediate(() => timer === mine && conclude()),
        Math.min(momentMillis, until - performance.now()),
      )
      timer = mine
    }
    const read = (): void => {
      for (let chunk = socket.read(); chunk instanceof Buffer; chunk = socket.read()) {
        bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk])
      }
      if (bytes.length === 0) return
      const rest = said()
      if (rest.length === 0) return void awaitMore()
      if (!isTolerant()) return void toParser()
      const words = firstWords(rest)
      switch (words.are) {
        case 'http':
          toParser()
          break
        case 'once':
          toAnswer()
          break
        case 'unfinished':
          awaitMore()
          break
        default:
          words satisfies never
      }
    }
    waiting.add(socket)
    socket.on('readable', read).on('end', end).on('close', leave).on('error', ignore)
    awaitMore()
  }
  server.on(event, receive)
  return {
    heardOn: (socket) => heard.get(socket) ?? null,
    stop: () => {
      for (const socket of waiting) socket.destroy()
    },
  }
}

const ignore = (): void => undefined
