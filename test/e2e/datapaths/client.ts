// Clients of the behaviours, as they see a listener.

import type { Socket } from 'node:net'
import type { HostSockets, Target } from '../../lab/host-sockets.ts'
import { waitFor } from '../../lab/wait-for.ts'

/** How a session ended: the other side said goodbye, or there was a reset. */
export type End = 'end' | 'reset'

/** A client that was greeted, or turned away. */
export type Client = {
  /** The name of its server; `-` where it got none. */
  readonly server: string
  /** Its own address and port. */
  readonly endpoint: string
  readonly isOpen: () => boolean
  readonly ended: Promise<End>
  /** Whether what it says comes back. */
  readonly echoes: () => Promise<boolean>
  /** Says something and does not wait. */
  readonly say: (text: string | Uint8Array) => void
  /** Says no more, and hears on. */
  readonly finish: () => void
  /** All that it heard after the greeting. */
  readonly heard: () => Buffer
  readonly close: () => void
}

const turnedAway: Client = {
  server: '-',
  endpoint: '-',
  isOpen: () => false,
  ended: Promise.resolve('reset'),
  echoes: async () => false,
  say: () => {},
  finish: () => {},
  heard: () => Buffer.alloc(0),
  close: () => {},
}

/** Longer than any retry of a SYN that a behaviour waits for. */
const patience = 90_000

/** Connects and waits for the greeting, or for the end; throws where neither comes. */
export const openClient = async (sockets: HostSockets, target: Target): Promise<Client> => {
  let timer: NodeJS.Timeout | undefined
  const silence = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('a client was neither greeted nor turned away')), patience)
  })
  try {
    return await Promise.race([welcome(sockets, target), silence])
  } finally {
    clearTimeout(timer)
  }
}

const welcome = async (sockets: HostSockets, target: Target): Promise<Client> => {
  let socket: Socket
  try {
    socket = await sockets.connect(target)
  } catch {
    return turnedAway
  }
  const endpoint = `${socket.localAddress}:${socket.localPort}`
  const chunks: Buffer[] = []
  let open = true
  const text = () => Buffer.concat(chunks)
  const greeted = new Promise<boolean>((resolve) => {
    socket.on('data', (chunk) => {
      chunks.push(chunk)
      resolve(true)
    })
    socket.on('close', () => resolve(false))
  })
  const ended = new Promise<End>((resolve) => {
    const over = (how: End): void => {
      open = false
      resolve(how)
    }
    socket.on('error', () => over('reset')).on('close', () => over('reset'))
    socket.on('end', () => {
      over('end')
      socket.end()
    })
  })
  if (!(await greeted)) return turnedAway
  const begin = text().indexOf('\n') + 1
  const heard = () => text().subarray(begin)
  let echoes = 0
  return {
    server: text().toString('latin1', 0, begin - 1),
    endpoint,
    isOpen: () => open,
    ended,
    echoes: async () => {
      echoes += 1
      const word = `echo ${echoes};`
      if (open) socket.write(word)
      await waitFor('an echo', () => !open || heard().toString('latin1').endsWith(word), { interval: 5 })
      return open
    },
    say: (said) => void socket.write(said),
    finish: () => void socket.end(),
    heard,
    close: () => void socket.destroy(),
  }
}

/** How many of these went where. */
export const serversOf = (clients: readonly Client[]): Readonly<Record<string, number>> => {
  const counts: Record<string, number> = {}
  for (const { server } of clients) counts[server] = (counts[server] ?? 0) + 1
  return counts
}

/** All of them hang up. */
export const closeAll = (clients: readonly Client[]): void => {
  for (const one of clients) one.close()
}
