// The raw sockets of this host: one per interface, family and way of speaking, shared by the virtual routers on it.

import type { Family } from '../core/ip-address.ts'
import type { Outcome } from '../os/outcome.ts'
import { openRawSocket, type RawSocket, type Received } from '../os/raw-socket.ts'
import { vrrpGroup, vrrpProtocol } from './core/datagram.ts'

/** What a virtual router wants to hear. */
export type Subscription = {
  readonly interface: { readonly name: string; readonly index: number }
  readonly family: Family
  readonly address: string
  readonly isUnicast: boolean
  readonly minimumTtl: number
  readonly virtualRouterId: number
  /** False when it has the number of this virtual router and the addresses of another. */
  readonly onPacket: (packet: Received) => boolean
  /** The socket is gone. */
  readonly onFailure: (text: string) => void
}

/** A wire to which a virtual router is attached. `receive` hears what waits in the kernel now. */
export type Wire = Pick<RawSocket, 'send' | 'receive'> & { readonly detach: () => void }

/** All wires of this host. */
export type Wires = { readonly attach: (subscription: Subscription) => Outcome<Wire> }

type Shared = { readonly socket: RawSocket; readonly subscribers: Set<Subscription> }

const virtualRouterIdAt = 1

/** No wire yet; each is opened for its first virtual router and closed after its last. */
export const createWires = (): Wires => {
  const open = new Map<string, Shared>()

  const openShared = (key: string, wanted: Subscription): Outcome<Shared> => {
    const subscribers = new Set<Subscription>()
    const socket = openRawSocket({
      family: wanted.family,
      protocol: vrrpProtocol,
      interface: wanted.interface,
      address: wanted.address,
      group: wanted.isUnicast ? null : vrrpGroup[wanted.family],
      minimumHopLimit: wanted.minimumTtl,
      onPacket: (packet) => {
        const named = concerned(subscribers, packet)
        const isTheirs = named.map((subscriber) => subscriber.onPacket(packet)).includes(true)
        if (isTheirs) return
        for (const subscriber of [...subscribers]) if (!named.includes(subscriber)) subscriber.onPacket(packet)
      },
      onFailure: (text) => {
        open.delete(key)
        for (const subscriber of [...subscribers]) subscriber.onFailure(text)
      },
    })
    if (!socket.ok) return socket
    const shared = { socket: socket.value, subscribers }
    open.set(key, shared)
    return { ok: true, value: shared }
  }

  const attach: Wires['attach'] = (subscription) => {
    const { interface: device, family, isUnicast, minimumTtl } = subscription
    const key = [device.index, device.name, family, isUnicast ? 'unicast' : 'multicast', minimumTtl].join(' ')
    const existing = open.get(key)
    const opened = existing === undefined ? openShared(key, subscription) : { ok: true as const, value: existing }
    if (!opened.ok) return opened
    const { socket, subscribers } = opened.value
    subscribers.add(subscription)
    const detach = (): void => {
      subscribers.delete(subscription)
      if (subscribers.size > 0) return
      socket.close()
      if (open.get(key)?.socket === socket) open.delete(key)
    }
    return { ok: true, value: { send: socket.send, receive: socket.receive, detach } }
  }
  return { attach }
}

/** Who is to hear a packet: the virtual router it names, else all, who count it among what they dropped. */
const concerned = (subscribers: ReadonlySet<Subscription>, { bytes, isFar }: Received): readonly Subscription[] => {
  const all = [...subscribers]
  const [first] = all
  const start = first?.family === 'ipv4' ? ((bytes[0] ?? 0) & 0x0f) * 4 : 0
  const named = isFar ? [] : all.filter(({ virtualRouterId }) => virtualRouterId === bytes[start + virtualRouterIdAt])
  return named.length > 0 ? named : all
}
