// A script answered as xinetd runs it: one process for each connection, with the socket as its input and output.

import { spawn } from 'node:child_process'
import { createServer } from 'node:net'

/** What to run. */
export type Script = { readonly file: string; readonly args: readonly string[] }

/** A port of 127.0.0.1 on which a script answers. */
export type Inetd = { readonly port: number; readonly stop: () => void }

/** Opens a free port. `complain` hears what kept the script from running. */
export const startInetd = ({ file, args }: Script, complain: (text: string) => void): Promise<Inetd> =>
  new Promise((resolve, reject) => {
    // The bytes of the client are the script's: not read here.
    const server = createServer({ pauseOnConnect: true, allowHalfOpen: true }, (socket) => {
      socket.on('error', () => undefined)
      const child = spawn(file, args, { stdio: [socket, socket, socket], cwd: '/' })
      child.on('error', (error) => complain(error.message))
      const close = (): void => void socket.destroy()
      child.on('error', close).on('exit', close)
    })
    server.once('error', reject)
    server.listen({ host: '127.0.0.1', port: 0 }, () => {
      const address = server.address()
      const port = address !== null && typeof address === 'object' ? address.port : 0
      resolve({ port, stop: () => void server.close() })
    })
  })
