// Listening on an address of the configuration, for HTTP and for agent-check alike.

import type { Server } from 'node:net'
import { codeOf } from '../core/error-text.ts'
import { portHolder } from './port-holder.ts'

/** Where to listen. */
export type ListenAddress = { readonly address: string; readonly port: number }

/**
 * Connections that may wait for us to accept them: those of two seconds at a thousand and more a second. The kernel cuts it
 * to its own bound, net.core.somaxconn (4096 unless changed).
 */
const backlog = 4096

/** Resolves when the server listens; rejects with the system's error if the address is not to be had. */
export const listenOn = (
  server: Server,
  { address, port }: ListenAddress,
  onLaterError: (error: Error) => void,
): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host: address, port, backlog, exclusive: true }, () => {
      server.off('error', reject)
      // Such as too many open files: the next connection may work again.
      server.on('error', onLaterError)
      resolve()
    })
  })

/** Why a start failed, for the operator. `key` is the configuration's name of the address. */
export const listenFailure = (error: unknown, { address, port }: ListenAddress, key: string): string => {
  const where = `cannot listen on ${address}:${port}`
  switch (codeOf(error)) {
    case 'EADDRINUSE':
      return `${where}: ${portHolder(port) ?? `another program has that port. See which with: ss -ltnp 'sport = :${port}'`}`
    case 'EADDRNOTAVAIL':
      return `${where}: this host does not have that address. Correct ${key}.address, or use 0.0.0.0`
    case 'EACCES':
      return `${where}: no permission. A port below 1024 needs root or CAP_NET_BIND_SERVICE; 9222 does not`
    default:
      return `${where}: ${String(error)}`
  }
}
