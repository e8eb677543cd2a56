// One request over a connection of its own, and all that comes back.

import { connect } from 'node:net'
import type { Heard } from './core/comparison.ts'
import type { Request } from './core/requests.ts'

const maximumBytes = 65_536

/** Asks a port of 127.0.0.1 and waits for the end of the answer, `patience` milliseconds at most. */
export const ask = (port: number, { bytes, hasEnded }: Request, patience: number): Promise<Heard> =>
  new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true })
    let text = ''
    const finish = (end: Heard['end']): void => {
      clearTimeout(late)
      socket.destroy()
      resolve({ text, end })
    }
    const late = setTimeout(() => finish('still open'), patience)
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1')
      if (text.length > maximumBytes) finish('still open')
    })
    socket.on('end', () => finish('closed'))
    socket.on('error', () => finish('reset'))
    socket.on('connect', () => {
      if (bytes.length > 0) socket.write(bytes)
      if (hasEnded) socket.end()
    })
  })
