// A raw client of the agent: bytes out, bytes in, and how the connection ended.

import { once } from 'node:events'
import { connect } from 'node:net'
import { waitFor } from '../lab/wait-for.ts'

/**
 * A raw client. `ended` tells how the server closed: with FIN after all bytes, or with a reset. One that lingers keeps its
 * side open when the server has closed.
 */
export const dial = (port: number, { linger = false } = {}) => {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  let text = ''
  let ended: 'no' | 'fin' | 'reset' = 'no'
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1')
  })
  socket.on('end', () => {
    ended = 'fin'
    if (!linger) socket.end()
  })
  socket.on('error', () => {
    ended = 'reset'
  })
  return {
    send: (bytes: string | Buffer) => socket.write(bytes),
    connected: () => once(socket, 'connect'),
    text: () => text,
    ended: () => ended,
    end: () => socket.end(),
    destroy: () => socket.destroy(),
    untilEnded: () => waitFor('the server to close', () => ended !== 'no', { interval: 2 }).then(() => text),
    untilText: (part: string) => waitFor(`the answer ${part}`, () => text.includes(part)).then(() => text),
  }
}
