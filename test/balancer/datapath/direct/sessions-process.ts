// Inside a host of the lab: clients in every state that a session can be in, and how each of them ended.

import { connect, type Socket } from 'node:net'

/** `idle` says nothing, `wait` waits for an answer, `stream` reads a long one, `echo` says something every 50 ms. */
export type Kind = 'idle' | 'wait' | 'stream' | 'echo'

/** What is asked; each is answered by `SessionsTold`. */
export type SessionsOrder =
  | {
      readonly do: 'open'
      readonly kind: Kind
      readonly count: number
      readonly address: string
      readonly port: number
      /** The first of the source ports, one after the other. */
      readonly from?: number
    }
  | { readonly do: 'look' | 'let-go' }

/** A session: who greeted it, and since when (milliseconds since the epoch) and why it is over. */
export type SessionTold = {
  readonly kind: Kind
  readonly localPort: number
  readonly server: string
  readonly error: string | null
  readonly endedAt: number | null
}
export type SessionsTold = { readonly sessions: readonly SessionTold[] }

type Open = { readonly socket: Socket; told: SessionTold }
const sessions: Open[] = []
const saying = 50

const open = (kind: Kind, host: string, port: number, localPort: number | undefined): Promise<void> =>
  new Promise((resolve) => {
    const socket = connect({ host, port, noDelay: true, ...(localPort === undefined ? {} : { localPort }) })
    const one: Open = { socket, told: { kind, localPort: 0, server: '', error: null, endedAt: null } }
    sessions.push(one)
    const over = (error: string): void => {
      if (one.told.error === null) one.told = { ...one.told, error, endedAt: Date.now() }
      resolve()
    }
    socket.once('data', (greeting) => {
      one.told = { ...one.told, server: greeting.toString().trim(), localPort: socket.localPort ?? 0 }
      if (kind !== 'idle') socket.write(`${kind}\n`)
      socket.on('data', () => {})
      const timer = kind === 'echo' ? setInterval(() => socket.write('ping'), saying) : undefined
      socket.on('close', () => clearInterval(timer))
      resolve()
    })
    socket.on('error', (error: NodeJS.ErrnoException) => over(error.code ?? error.message))
    socket.on('close', () => over('closed'))
  })

const together = 100

process.on('message', async (order: SessionsOrder) => {
  if (order.do === 'open') {
    const { kind, count, address, port, from } = order
    for (let i = 0; i < count; i += together) {
      const few = Array.from({ length: Math.min(together, count - i) }, (_, j) => i + j)
      await Promise.all(few.map((n) => open(kind, address, port, from === undefined ? undefined : from + n)))
    }
  } else if (order.do === 'let-go') {
    for (const { socket } of sessions) socket.destroy()
    sessions.length = 0
  }
  const told: SessionsTold = { sessions: sessions.map((one) => one.told) }
  process.send?.(told)
})
process.once('disconnect', () => process.exit(0))
process.stdout.write('ready\n')
