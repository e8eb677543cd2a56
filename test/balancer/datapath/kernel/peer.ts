// A host that serves and connects in tests of the rules: a stand-in for databases and their clients.

import { fileURLToPath } from 'node:url'
import type { Host } from '../../../lab/host.ts'
import type { PeerAnswer, PeerOrder } from './peer-process.ts'

const program = fileURLToPath(new URL('./peer-process.js', import.meta.url))

/** What a client met: the server's name and the address that it sees, or the system's error. */
export type Attempt = {
  readonly server: string
  readonly seen: string
  readonly error: string
  /** For `say` and `hangUp`. */
  readonly session: number
  readonly millis: number
}

export type Peer = {
  readonly host: Host
  /** Listens for sessions, and greets them with the name. */
  readonly serve: (port: number, address?: string) => Promise<void>
  /** As when a server process dies: its sessions and its port are gone. */
  readonly endServing: (port: number) => Promise<void>
  readonly connect: (address: string, port: number, from?: string, fromPort?: number) => Promise<Attempt>
  /** Connects this many times, one after the other, and hangs up each time. */
  readonly connectOften: (times: number, address: string, port: number, from?: string) => Promise<readonly Attempt[]>
  /** Whether an echo of so many bytes comes back through a session. */
  readonly say: (session: number, bytes?: number) => Promise<boolean>
  readonly hangUp: (session: number) => Promise<void>
  /** With RST instead of FIN: its port is free at once. */
  readonly reset: (session: number) => Promise<void>
  /** Waits, saying nothing, until a session is over: the system's error, or `closed`. */
  readonly fate: (session: number) => Promise<string>
}

type Order = PeerOrder extends infer One ? (One extends PeerOrder ? Omit<One, 'number'> : never) : never

export const startPeer = (host: Host): Peer => {
  const child = host.spawn('peer', process.execPath, [program], { ipc: true })
  const waiting = new Map<number, (answer: PeerAnswer) => void>()
  let last = 0
  child.onMessage((message) => {
    const answer = message as PeerAnswer
    waiting.get(answer.number)?.(answer)
    waiting.delete(answer.number)
  })
  const order = (what: Order): Promise<PeerAnswer> => {
    last += 1
    const number = last
    return new Promise((resolve) => {
      waiting.set(number, resolve)
      child.send({ ...what, number })
    })
  }
  const connect: Peer['connect'] = async (address, port, from, fromPort) => {
    const begun = performance.now()
    const { ok, text, number } = await order({ do: 'connect', address, port, from, fromPort })
    const [server = '', seen = ''] = ok ? text.split(' ') : []
    return { server, seen, error: ok ? '' : text, session: number, millis: performance.now() - begun }
  }
  const hangUp: Peer['hangUp'] = async (session) => {
    await order({ do: 'hang-up', session, isReset: false })
  }
  return {
    host,
    serve: async (port, address = '::') => {
      await order({ do: 'serve', name: host.name, port, address })
    },
    endServing: async (port) => {
      await order({ do: 'end-serving', port })
    },
    connect,
    connectOften: async (times, address, port, from) => {
      const attempts: Attempt[] = []
      for (let i = 0; i < times; i += 1) {
        const attempt = await connect(address, port, from)
        attempts.push(attempt)
        await hangUp(attempt.session)
      }
      return attempts
    },
    say: async (session, bytes = 4) => (await order({ do: 'say', session, bytes })).ok,
    hangUp,
    reset: async (session) => {
      await order({ do: 'hang-up', session, isReset: true })
    },
    fate: async (session) => (await order({ do: 'await-end', session })).text,
  }
}
