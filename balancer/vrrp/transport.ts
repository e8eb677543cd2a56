// The advertisements of one virtual router on the wire: as multicast, to unicast peers, or from its virtual MAC address.

import type { VrrpInstanceConfig } from '../config/vrrp-schema.ts'
import { isLinkLocal } from '../core/ip-address.ts'
import type { NetworkInterface } from '../os/netlink.ts'
import { done, type Outcome } from '../os/outcome.ts'
import type { PacketSocket } from '../os/packet-socket.ts'
import type { Received } from '../os/raw-socket.ts'
import { openTwinSocket } from '../os/twin-socket.ts'
import { type Advertisement, encodeAdvertisement } from './core/advertisement.ts'
import {
  type Datagram,
  ipPacket,
  multicastFrame,
  readIpv4Packet,
  virtualMac,
  vrrpGroup,
  vrrpProtocol,
  vrrpTtl,
} from './core/datagram.ts'
import { type Dropped, type Expectation, receiveAdvertisement } from './core/reception.ts'
import { advertisementOf, familyOfInstance } from './instance.ts'
import type { Wires } from './wires.ts'

/** `address` is the source that it sends from. */
export type TransportOptions = {
  readonly config: VrrpInstanceConfig
  readonly device: NetworkInterface
  readonly address: string
  readonly wires: Wires
  readonly packets: PacketSocket
  readonly onHeard: (from: string, advertisement: Advertisement) => void
  readonly onDropped: (dropped: Dropped) => void
  /** The socket is gone. */
  readonly onFailure: (text: string) => void
}

/** The open wire. */
export type Transport = {
  readonly send: (priority: number) => Outcome
  /** Hears what waits in the kernel now. */
  readonly receive: () => void
  readonly close: () => void
}

/** Attaches one virtual router to its wire (RFC 9568 section 5.1; unicast as keepalived has it). */
export const openTransport = (options: TransportOptions): Outcome<Transport> => {
  const { config, device, address } = options
  const family = familyOfInstance(config)
  const advertisement = advertisementOf(config)
  const peers = config.unicast?.peers ?? null
  const password = config.authentication?.password ?? null
  const expected: Expectation = { ...advertisement, family, own: address, password, peers }
  const minimumTtl = config.unicast?.min_ttl ?? vrrpTtl

  const onPacket = (received: Received): boolean => {
    const datagram = family === 'ipv4' ? readIpv4Packet(received.bytes, minimumTtl) : ipv6Datagram(received)
    if (datagram === null) {
      options.onDropped({ ok: false, reason: 'ip-header', source: '', found: `${received.bytes.length} bytes` })
      return true
    }
    const decoded = receiveAdvertisement(datagram, expected)
    if (decoded.ok) options.onHeard(decoded.source, decoded.advertisement)
    else options.onDropped(decoded)
    return decoded.ok || decoded.reason !== 'addresses'
  }
  /** A raw IPv6 socket shows no header. What was sent elsewhere fails the checksum, whose pseudo-header has the destination. */
  const ipv6Datagram = ({ bytes, source, isFar }: Received): Datagram => ({
    source,
    destination: peers === null ? vrrpGroup.ipv6 : address,
    isFar,
    isOnLink: !isFar && (minimumTtl === vrrpTtl || isLinkLocal(source)),
    payload: bytes,
  })

  const wire = options.wires.attach({
    interface: device,
    family,
    address,
    isUnicast: peers !== null,
    minimumTtl,
    virtualRouterId: config.virtual_router_id,
    onPacket,
    onFailure: options.onFailure,
  })
  if (!wire.ok) return wire
  const { send: sendPacket, receive: receivePackets, detach } = wire.value
  const twin = family === 'ipv4' ? openTwinSocket(device.index, vrrpProtocol, address) : null
  const receive = (): void => {
    receivePackets()
    if (twin?.ok !== true) return
    for (const bytes of twin.value.receive()) onPacket({ bytes, source: address, isFar: false })
  }
  const close = (): void => {
    detach()
    if (twin?.ok === true) twin.value.close()
  }
  const pseudoHeader = config.checksum_with_ipv4_pseudoheader
  const sendTo = (destination: string, priority: number): Outcome => {
    const written = { source: address, destination, password, pseudoHeader }
    const packet = ipPacket(encodeAdvertisement({ ...advertisement, priority }, written), address, destination)
    if (!config.virtual_mac) return sendPacket(packet, destination)
    const mac = virtualMac(family, config.virtual_router_id)
    return options.packets.send(device.index, multicastFrame(mac, packet, family))
  }
  const destinations = peers ?? [vrrpGroup[family]]
  const send = (priority: number): Outcome => {
    // Every peer is tried. One that cannot be reached does not silence this router for the others.
    const outcomes = destinations.map((destination) => sendTo(destination, priority))
    const failed = outcomes.find((outcome) => !outcome.ok)
    return outcomes.some((outcome) => outcome.ok) ? done : (failed ?? done)
  }
  return { ok: true, value: { send, receive, close } }
}
