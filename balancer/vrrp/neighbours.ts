// Which virtual routers are heard on a network: for the choice of an id that nobody uses there.

import { setTimeout as wait } from 'node:timers/promises'
import { familyOf } from '../core/ip-address.ts'
import type { Millis } from '../core/time.ts'
import { openNetlink } from '../os/netlink.ts'
import { openRawSocket } from '../os/raw-socket.ts'
import { readIpv4Packet, vrrpGroup, vrrpProtocol } from './core/datagram.ts'

/** The ids of the virtual routers that advertise there by multicast, and from where; null where nobody may listen. */
export type Heard = ReadonlyMap<number, string> | null

const virtualRouterIdAt = 1

/** Listens on an interface, as its address `own`, for so long. */
export const listenForRouters = async (device: string, own: string, duration: Millis): Promise<Heard> => {
  const netlink = openNetlink()
  const found = await netlink.findInterface(device)
  netlink.close()
  if (!found.ok) return null
  const heard = new Map<number, string>()
  const family = familyOf(own)
  const socket = openRawSocket({
    family,
    protocol: vrrpProtocol,
    interface: { name: device, index: found.value.index },
    address: own,
    group: vrrpGroup[family],
    minimumHopLimit: 0,
    onPacket: ({ bytes, source }) => {
      const datagram = family === 'ipv4' ? readIpv4Packet(bytes, 0) : { source, payload: bytes }
      const id = datagram?.payload[virtualRouterIdAt]
      if (datagram !== null && id !== undefined) heard.set(id, datagram.source)
    },
    onFailure: () => {},
  })
  if (!socket.ok) return null
  await wait(duration)
  socket.value.close()
  return heard
}
