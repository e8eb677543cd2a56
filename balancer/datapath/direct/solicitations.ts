// Asks for neighbours of IPv6 as the addresses that this host speaks as, beside the kernel, which asks as its link-local one.

import { openPacketSocket, type PacketSocket } from '../../os/packet-socket.ts'
import { solicitationFrame } from './core/neighbour-solicitation.ts'

/** The socket is opened when it is needed first. Where that may not be, the kernel's own question is all there is. */
export type Solicitations = {
  /** MAC addresses as six bytes; `neighbour.mac` is null where it is not known. */
  readonly send: (
    interfaceIndex: number,
    own: { readonly mac: Uint8Array; readonly addresses: readonly string[] },
    neighbour: { readonly mac: Uint8Array | null; readonly address: string },
  ) => void
  readonly close: () => void
}

export const createSolicitations = (): Solicitations => {
  let socket: PacketSocket | null | undefined
  const open = (): PacketSocket | null => {
    const opened = openPacketSocket()
    return opened.ok ? opened.value : null
  }
  return {
    send: (interfaceIndex, { mac, addresses }, neighbour) => {
      if (addresses.length === 0) return
      socket ??= open()
      for (const address of addresses) {
        socket?.send(interfaceIndex, solicitationFrame({ own: { mac, address }, neighbour }))
      }
    },
    close: () => {
      socket?.close()
      socket = null
    },
  }
}
