// A TCP listener that is there before its address is: who takes an address over can serve from its first packet on.

import type { Server } from 'node:net'
import { isUnspecified } from '../core/address-kind.ts'
import { type Endpoint, endpointText } from '../core/endpoint.ts'
import { codeOf, textOf } from '../core/error-text.ts'
import { FailedStart } from '../core/failed-start.ts'
import { listenFreely } from './free-bind.ts'
import { handleOf, type ListeningHandle } from './listening-handle.ts'
import { programsNamed } from './port-holder.ts'

/** Whether clients can reach a listener: it listens, and its address is here. */
export type ListenerState = { readonly address: string; readonly open: boolean }

/** A server and its address. `start` throws `FailedStart` when the port cannot be had, whether the address is here or not. */
export type WaitingListener = {
  readonly start: () => Promise<void>
  /** The address came or went. */
  readonly addressChanged: (address: string) => void
  readonly state: () => ListenerState
  /** What it listens on, for a process that goes on with it. */
  readonly handle: () => ListeningHandle
  readonly stop: () => void
}

export type WaitingListenerOptions = {
  readonly endpoint: Endpoint
  readonly server: Server
  /** The configuration key to name in errors. */
  readonly key: string
  /** What another process has listened on until now: there is nothing to open then. */
  readonly inherited: ListeningHandle
  readonly isPresent: (address: string) => boolean
  readonly onChange: (state: ListenerState) => void
  /** A client was there and accept(2) failed with this error of the system; the next one may work. */
  readonly onAcceptFailure: (code: string) => void
}

const backlog = 4096

/** Makes `server` listen at `endpoint`. */
export const createWaitingListener = (options: WaitingListenerOptions): WaitingListener => {
  const { endpoint, server, key, inherited, isPresent, onChange, onAcceptFailure } = options
  const shown = endpointText(endpoint)
  let state: ListenerState = { address: shown, open: false }
  let stopped = false

  const look = (): void => {
    const open = server.listening && isHere()
    if (state.open === open) return
    state = { address: shown, open }
    onChange(state)
  }
  const isHere = (): boolean => isUnspecified(endpoint.address) || isPresent(endpoint.address)

  const freshSocket = (): { readonly fd: number } => {
    const fd = listenFreely(endpoint, backlog)
    if (!fd.ok) throw Object.assign(new Error(fd.text), { code: fd.code })
    return { fd: fd.value }
  }
  /** Rejects with the system's error. */
  const open = async (): Promise<void> => {
    const socket = inherited ?? freshSocket()
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(socket, backlog, () => {
        server.removeListener('error', reject)
        server.on('error', (error) => onAcceptFailure(codeOf(error)))
        resolve()
      })
    })
    if (stopped) server.close()
    else look()
  }
  return {
    start: async () => {
      try {
        await open()
      } catch (error) {
        throw new FailedStart(refusal(error, endpoint, key))
      }
    },
    addressChanged: (address) => {
      if (address === endpoint.address) look()
    },
    state: () => state,
    handle: () => handleOf(server),
    stop: () => {
      stopped = true
      if (server.listening) server.close()
    },
  }
}

/** Which one has the port only root may see, with all its privileges; these are known to want it. */
const suspects = (): string => {
  const found = programsNamed(['haproxy', 'mariadbd', 'mysqld'])
  return found.length === 0 ? '' : ` (${found.map(({ name, pid }) => `${name} runs here, process ${pid}`).join('; ')})`
}

const refusal = (error: unknown, endpoint: Endpoint, key: string): string => {
  const shown = endpointText(endpoint)
  switch (codeOf(error)) {
    case 'EADDRINUSE':
      return `cannot listen on ${shown}: the port is in use; find the program with: ss -ltnp 'sport = :${endpoint.port}'${suspects()}, stop it or change ${key}`
    case 'EACCES':
      return `cannot listen on ${shown}: not permitted; run as root or with CAP_NET_BIND_SERVICE, or change ${key}`
    case 'EAFNOSUPPORT':
      return `cannot listen on ${shown}: this host has no IPv6; change ${key}`
    default:
      return `cannot listen on ${shown}: ${textOf(error)}; change ${key}`
  }
}
