// The forwarder's half inside a host: gets accepted sockets over IPC, connects them to the target there.

import { createConnection, Socket } from 'node:net'

const [address = '', port = ''] = process.argv.slice(2)

process.on('message', (_message, handle) => {
  if (!(handle instanceof Socket)) return
  const upstream = createConnection({ host: address, port: Number(port), allowHalfOpen: true })
  const end = (): void => {
    handle.destroy()
    upstream.destroy()
  }
  handle.on('error', end).on('close', end)
  upstream.on('error', end).on('close', end)
  handle.pipe(upstream).pipe(handle)
})
process.once('disconnect', () => process.exit(0))
