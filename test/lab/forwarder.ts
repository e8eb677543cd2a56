// A door into the lab: a port of 127.0.0.1 on the machine itself that leads to an address as a host sees it.

import { createServer } from 'node:net'
import { fileURLToPath } from 'node:url'
import type { Host } from './host.ts'

/** A TCP forwarder on 127.0.0.1. */
export type Forwarder = { readonly port: number; readonly stop: () => Promise<void> }

/** Forwards `port` of 127.0.0.1 (a free one unless given) to `target`, which `host` connects to. */
export const startForwarder = async (
  host: Host,
  {
    target,
    port = 0,
  }: { readonly target: { readonly address: string; readonly port: number }; readonly port?: number },
): Promise<Forwarder> => {
  const entry = fileURLToPath(new URL('./forwarder-process.js', import.meta.url))
  const args = [entry, target.address, String(target.port)]
  const inside = host.spawn(`forwarder-${target.port}`, process.execPath, args, { ipc: true })
  // Not a byte is read here: the socket goes on as it was accepted.
  const server = createServer({ pauseOnConnect: true, allowHalfOpen: true }, (socket) => {
    if (inside.isRunning()) inside.send('connection', socket)
    else socket.destroy()
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', resolve)
  })
  // A door alone is no reason to stay: it goes with the process that opened it.
  server.unref()
  const address = server.address()
  return {
    port: address !== null && typeof address === 'object' ? address.port : port,
    stop: async () => {
      server.close()
      await inside.stop()
    },
  }
}
