// A TCP listener that is open exactly while its address is on this host (no ip_nonlocal_bind needed).

import type { Server } from 'node:net'
import type { Endpoint } from '../config/values.ts'
import { FailedStart } from '../core/failed-start.ts'

/** Whether a listener is open; `error` tells why not although its address is here. */
export type ListenerState = { readonly address: string; readonly open: boolean; readonly error: string | null }

/** A server that follows its address. `start` throws `FailedStart` when the port of a present address cannot be had. */
export type WaitingListener = {
  readonly start: () => Promise<void>
  readonly addressChanged: (address: string, present: boolean) => void
  readonly state: () => ListenerState
  readonly stop: () => void
}

export type WaitingListenerOptions = {
  readonly endpoint: Endpoint
  readonly server: Server
  /** The configuration key to name in errors. */
  readonly key: string
  readonly isPresent: (address: string) => boolean
  readonly onChange: (state: ListenerState) => void
}

const anyAddress = '0.0.0.0'
const backlog = 4096
const retryMillis = 1000

/** Makes `server` listen at `endpoint` while that address is here, and retries where the port is taken. */
export const createWaitingListener = (options: WaitingListenerOptions): WaitingListener => {
  const { endpoint, server, key, isPresent, onChange } = options
  const shown = `${endpoint.address}:${endpoint.port}`
  let state: ListenerState = { address: shown, open: false, error: null }
  let retry: NodeJS.Timeout | undefined
  let stopped = false

  const change = (open: boolean, error: string | null): void => {
    if (state.open === open && state.error === error) return
    state = { address: shown, open, error }
    onChange(state)
  }
  const isHere = (): boolean => endpoint.address === anyAddress || isPresent(endpoint.address)

  const open = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const failed = (error: NodeJS.ErrnoException): void => {
        server.removeListener('listening', listening)
        reject(error)
      }
      const listening = (): void => {
        server.removeListener('error', failed)
        resolve()
      }
      server.once('error', failed)
      server.once('listening', listening)
      server.listen({ host: endpoint.address, port: endpoint.port, backlog })
    })

  const openOrRetry = async (): Promise<void> => {
    clearTimeout(retry)
    if (stopped || server.listening || !isHere()) return
    try {
      await open()
      change(true, null)
      if (!isHere() || stopped) close()
    } catch (error) {
      change(false, refusal(error, shown, key))
      retry = setTimeout(openOrRetry, retryMillis)
    }
  }
  const close = (): void => {
    clearTimeout(retry)
    if (server.listening) server.close()
    change(false, null)
  }

  return {
    start: async () => {
      if (!isHere()) return
      try {
        await open()
      } catch (error) {
        // It left between the look and the bind, and may come back.
        if (codeOf(error) === 'EADDRNOTAVAIL') return
        throw new FailedStart(refusal(error, shown, key))
      }
      change(true, null)
    },
    addressChanged: (address, present) => {
      if (address !== endpoint.address) return
      if (present) void openOrRetry()
      else close()
    },
    state: () => state,
    stop: () => {
      stopped = true
      close()
    },
  }
}

const codeOf = (error: unknown): unknown => (error instanceof Error && 'code' in error ? error.code : undefined)

const refusal = (error: unknown, shown: string, key: string): string => {
  const port = shown.split(':').at(-1)
  switch (codeOf(error)) {
    case 'EADDRINUSE':
      return `cannot listen on ${shown}: the port is in use; find the program with: ss -ltnp 'sport = :${port}', stop it or change ${key}`
    case 'EACCES':
      return `cannot listen on ${shown}: not permitted; run as root or with CAP_NET_BIND_SERVICE, or change ${key}`
    case 'EADDRNOTAVAIL':
      return `cannot listen on ${shown}: the address is not on this host; add it or change ${key}`
    default:
      return `cannot listen on ${shown}: ${error instanceof Error ? error.message : String(error)}; change ${key}`
  }
}
