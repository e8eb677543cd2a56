// The addresses that the status page is served at. A reload opens and closes what differs, and leaves the rest.

import type { Server } from 'node:http'
import type { Logger } from 'pino'
import { type Endpoint, endpointText } from '../../core/endpoint.ts'
import { type AddressWatch, watchAddresses } from '../../os/address-watch.ts'
import type { ListeningHandle } from '../../os/listening-handle.ts'
import { createWaitingListener, type WaitingListener } from '../../os/waiting-listener.ts'

/** The addresses that are open, or wait for their address. */
export type Doors = {
  /** Opens what is new of `binds`. Throws `FailedStart` when a port cannot be had, and nothing is open then that was not. */
  readonly prepare: (binds: readonly Endpoint[]) => Promise<{ readonly apply: () => void; readonly cancel: () => void }>
  /** What is listened on, by address and port, for a process that takes the place of this one. */
  readonly handles: () => ReadonlyMap<string, ListeningHandle>
  /** Takes no more requests; those that are being answered are. */
  readonly retire: () => void
  readonly stop: () => void
}

/** Takes what another process listens on at an address and port; undefined where it does not. */
export type Inherit = (endpoint: string) => ListeningHandle

type Door = { readonly server: Server; readonly listener: WaitingListener }

/** No address yet; each gets a server of its own. */
export const createDoors = (createServer: () => Server, log: Logger, inherit: Inherit): Doors => {
  const doors = new Map<string, Door>()
  let watch: AddressWatch | undefined

  const close = ({ server, listener }: Door): void => {
    listener.stop()
    server.closeAllConnections()
  }
  const make = (endpoint: Endpoint, key: string, isPresent: (address: string) => boolean): Door => {
    const server = createServer()
    const listener = createWaitingListener({
      endpoint,
      server,
      key,
      inherited: inherit(endpointText(endpoint)),
      isPresent,
      onChange: ({ address, open }) => {
        log.info({ address }, `Status page is ${open ? 'open' : 'closed'} on ${address}`)
      },
      onAcceptFailure: (code) => log.warn({ code }, `The status page could not accept a client: ${code}`),
    })
    return { server, listener }
  }

  return {
    prepare: async (binds) => {
      if (binds.length > 0) {
        watch ??= await watchAddresses((address) => {
          for (const { listener } of doors.values()) listener.addressChanged(address)
        })
      }
      const isPresent = watch?.has ?? (() => false)
      const wanted = new Set(binds.map(endpointText))
      const opened = new Map<string, Door>()
      for (const [i, endpoint] of binds.entries()) {
        const name = endpointText(endpoint)
        if (!doors.has(name)) opened.set(name, make(endpoint, `admin.http.bind[${i}]`, isPresent))
      }
      const cancel = (): void => {
        for (const door of opened.values()) close(door)
      }
      const starts = await Promise.allSettled([...opened.values()].map(({ listener }) => listener.start()))
      const failed = starts.find((start) => start.status === 'rejected')
      if (failed !== undefined) {
        cancel()
        throw failed.reason
      }
      return {
        cancel,
        apply: () => {
          for (const [name, door] of doors) {
            if (wanted.has(name)) continue
            close(door)
            doors.delete(name)
            log.info({ address: name }, `Status page is closed on ${name}`)
          }
          for (const [name, door] of opened) doors.set(name, door)
        },
      }
    },
    handles: () => new Map([...doors].map(([endpoint, { listener }]) => [endpoint, listener.handle()])),
    retire: () => {
      for (const { listener } of doors.values()) listener.stop()
    },
    stop: () => {
      watch?.close()
      for (const door of doors.values()) close(door)
    },
  }
}
