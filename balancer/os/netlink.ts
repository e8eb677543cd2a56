// Interfaces, addresses and routes through rtnetlink. The only file that touches the module netlink.
// Requests, lists and events have a socket each: on one, the notice of the own change would pass for the answer, and an
// answer between two parts of a list would end it.

import type * as ifla from 'netlink/dist/rt/ifla.js'
import { createRtNetlink } from 'netlink/dist/rt/rt.js'
import * as rt from 'netlink/dist/rt/structs.js'
import { isLoopback } from '../core/address-kind.ts'
// Not the whole module: what it has for wireless networks takes longer to load than all that is used here.
import { textOf } from '../core/error-text.ts'
import { addressBytes, addressText, familyOf } from '../core/ip-address.ts'
import { addressMessage, everyAddress, originIn } from './address-message.ts'
import { wordAt, words } from './host-order.ts'
import { everyNeighbour, type Neighbour, neighbourIn, resolveRequest } from './neighbour-message.ts'
import { attribute, messageFlags } from './netlink-message.ts'
import { done, type Outcome, refused } from './outcome.ts'
import { domains } from './socket-address.ts'

/**
 * One address of this host. `isPermanent`: nobody gave it a lifetime. `isTentative`: not yet, or never, to be used; never
 * where another host has it too (`isDuplicate`). `origin`: who has added it, where the kernel keeps that (Linux 5.18), else 0; `ownOrigin` is this program. `isForAnswers`: it is on lo for
 * good, as on a server that answers clients of the address itself (direct server return): nobody is sent here for it.
 */
export type HostAddress = {
  readonly address: string
  readonly prefixLength: number
  readonly interfaceIndex: number
  readonly isPermanent: boolean
  readonly isTentative: boolean
  readonly isDuplicate: boolean
  readonly isForAnswers: boolean
  readonly origin: number
}

/** A route that this program has added, in this process or in one before. */
export type OwnRoute = Pick<RouteLease, 'to' | 'prefixLength' | 'via' | 'interfaceIndex' | 'metric'>

/**
 * A network interface. `isUp`: switched on and with a carrier. `mac` has six bytes on Ethernet; `hasNeighbours`: somebody
 * there may ask for it, as nobody does on lo or on a dummy. `parentIndex` is the interface that it stands on, if any.
 */
export type NetworkInterface = {
  readonly name: string
  readonly index: number
  readonly mac: readonly number[]
  readonly isUp: boolean
  readonly mtu: number
  readonly hasNeighbours: boolean
  readonly parentIndex: number | null
  readonly addresses: readonly HostAddress[]
}

/** What is known of an interface without its addresses. */
export type NetworkLink = Omit<NetworkInterface, 'addresses'>

/** An address to add. The kernel takes it away by itself after `lifetime` seconds, unless it is set again before. */
export type AddressLease = {
  readonly address: string
  readonly prefixLength: number
  readonly interfaceIndex: number
  readonly lifetime: number
  readonly label: string | undefined
}

/** A route to add. `source` is the address it prefers; an IPv6 one ends by itself after `lifetime` seconds. */
export type RouteLease = {
  readonly to: string
  readonly prefixLength: number
  readonly via: string | undefined
  readonly interfaceIndex: number
  readonly metric: number | undefined
  readonly source: string | undefined
  readonly lifetime: number
}

/** Requests to the kernel. It carries them out in the order of the calls, each before the call returns its promise. */
export type Netlink = {
  /** The interface of this name; `ENODEV` if there is none. */
  readonly findInterface: (name: string) => Promise<Outcome<NetworkInterface>>
  readonly listAddresses: () => Promise<Outcome<readonly HostAddress[]>>
  readonly listInterfaces: () => Promise<Outcome<readonly NetworkLink[]>>
  /** Neighbours of both families whose entries the kernel makes by itself or an administrator has made. */
  readonly listNeighbours: () => Promise<Outcome<readonly Neighbour[]>>
  /** Has the kernel look for the neighbour (ARP, neighbour solicitation), or ask again whether one with a `mac` is there still. */
  readonly resolveNeighbour: (neighbour: Pick<Neighbour, 'address' | 'interfaceIndex' | 'mac'>) => Promise<Outcome>
  readonly listOwnRoutes: () => Promise<Outcome<readonly OwnRoute[]>>
  /** Adds the address, or prolongs it if it is there. */
  readonly setAddress: (lease: AddressLease) => Promise<Outcome>
  /** Removes the address; that it is not there is fine. */
  readonly removeAddress: (
    address: Pick<HostAddress, 'address' | 'prefixLength' | 'interfaceIndex'>,
  ) => Promise<Outcome>
  /** Adds the route; `EEXIST` where there is one to the same network with the same metric, whoever put it there. */
  readonly addRoute: (route: RouteLease) => Promise<Outcome>
  /** Prolongs an IPv6 route that `addRoute` has added; `EEXIST` if another one has taken its place. */
  readonly prolongRoute: (route: RouteLease) => Promise<Outcome>
  /** Removes the route if this program has added it, in this process or in one before; that it is not there is fine. */
  readonly removeRoute: (route: RouteLease) => Promise<Outcome>
  /** Adds an interface with a MAC address of its own on top of another, switched off; `EEXIST` if the name is taken. */
  readonly addMacvlan: (name: string, parentIndex: number, mac: readonly number[]) => Promise<Outcome>
  readonly switchOn: (name: string) => Promise<Outcome>
  readonly removeInterface: (name: string) => Promise<Outcome>
  readonly close: () => void
}

/** What the kernel tells unasked. After `overrun` events were lost: list again. */
export type NetworkListener = {
  readonly onAddress: (address: HostAddress, present: boolean) => void
  readonly onLink: (link: { readonly name: string; readonly index: number }) => void
  readonly onOverrun: () => void
  /** Neighbours as they come to be known, change and go; whoever does not want it is not woken by it. */
  readonly onNeighbour?: (neighbour: Neighbour, present: boolean) => void
}

const createOrReplace = messageFlags.create | messageFlags.replace
const createOnly = messageFlags.create | messageFlags.exclusive
/** linux/if_addr.h: IFA_F_NODAD */
const noDuplicateDetection = 0x02
/** linux/rtnetlink.h: RT_SCOPE_HOST; net/loopback.h: LOOPBACK_IFINDEX */
const [hostScope, loopbackIndex] = [254, 1]
/**
 * Who has added a route or an address, as `ip route show proto 112` tells: the number of VRRP, which nobody else uses here.
 * Those with any other number belong to somebody else.
 */
export const ownOrigin: number = 112
/**
 * IFLA_INFO_KIND, IFLA_INFO_DATA, IFLA_MACVLAN_MODE and MACVLAN_MODE_BRIDGE (linux/if_link.h): with a bridge the interface below
 * goes on hearing another router that uses the same virtual MAC.
 */
const [infoKind, infoData, macvlanMode, macvlanBridge] = [1, 2, 1, 4]
const ethernetLength = 6
const answerWithin = 1000
const bufferSizes = { recvBufferSize: 1 << 20, sendBufferSize: 1 << 17 }
/** ENXIO: the kernel has no IPv6 on that interface, as below an MTU of 1280. */
const isGone = new Set(['EADDRNOTAVAIL', 'ENODEV', 'ENXIO', 'ESRCH'])

/** Opens the sockets for requests and lists. */
export const openNetlink = (): Netlink => {
  const [socket, lists] = [createRtNetlink(bufferSizes), createRtNetlink(bufferSizes)]
  for (const one of [socket, lists]) one.socket.on('error', () => undefined)
  const options = { timeout: answerWithin }

  // The kernel lists one thing at a time on a socket, and refuses the second with EBUSY.
  let listing: Promise<unknown> = Promise.resolve()
  const inTurn = <T>(list: () => Promise<T>): Promise<T> => {
    const listed = listing.then(list, list)
    listing = listed
    return listed
  }
  const addresses = async (): Promise<readonly HostAddress[]> => {
    const [messages] = await inTurn(() =>
      lists.socket.request(rt.MessageType.GETADDR, everyAddress, { ...options, flags: messageFlags.dump }),
    )
    return messages.filter(({ type }) => type === rt.MessageType.NEWADDR).flatMap(({ data }) => hostAddress(data))
  }
  const listAddresses: Netlink['listAddresses'] = () => outcomeOf('cannot list the addresses', addresses)
  const listInterfaces: Netlink['listInterfaces'] = () =>
    outcomeOf('cannot list the interfaces', async () => {
      const links = await inTurn(() => lists.getLinks({}, {}, options))
      return links.map(networkLink)
    })
  const listNeighbours: Netlink['listNeighbours'] = () =>
    outcomeOf('cannot list the neighbours', async () => {
      const [messages] = await inTurn(() =>
        lists.socket.request(rt.MessageType.GETNEIGH, everyNeighbour, { ...options, flags: messageFlags.dump }),
      )
      return messages.flatMap(({ type, data }) => (type === rt.MessageType.NEWNEIGH ? neighbourIn(data) : []))
    })
  const listOwnRoutes: Netlink['listOwnRoutes'] = () =>
    outcomeOf('cannot list the routes', async () => {
      const found = await inTurn(() => lists.getRoutes({}, {}, options))
      return found.flatMap(ownRoute)
    })
  const findInterface: Netlink['findInterface'] = (name) =>
    outcomeOf(`cannot look up the interface ${name}`, async () => {
      const [link] = await socket.getLink({}, { ifname: name }, options)
      const found = networkLink(link)
      const held = (await addresses()).filter(({ interfaceIndex }) => interfaceIndex === found.index)
      return { ...found, name, addresses: held }
    })
  /** What asks for a removal, or for anything else that is fine when there is nothing to do. */
  const request = async (what: string, send: () => Promise<unknown>): Promise<Outcome> =>
    outcomeOf(what, async () => {
      await send()
      return undefined
    })
  const removal = async (what: string, send: () => Promise<unknown>): Promise<Outcome> => {
    const outcome = await request(what, send)
    return !outcome.ok && isGone.has(outcome.code) ? done : outcome
  }

  const setAddress: Netlink['setAddress'] = ({ address, prefixLength, interfaceIndex, lifetime, label }) => {
    // An IPv6 virtual address is never the source of what this host says of its own accord, and duplicates are VRRP's job.
    const isIpv6 = familyOf(address) === 'ipv6'
    const message = addressMessage({
      address,
      prefixLength,
      interfaceIndex,
      preferred: isIpv6 ? 0 : lifetime,
      valid: lifetime,
      flags: isIpv6 ? noDuplicateDetection : 0,
      label,
      origin: ownOrigin,
    })
    return request(`cannot add ${address}/${prefixLength}`, () =>
      socket.request(rt.MessageType.NEWADDR, message, { ...options, flags: createOrReplace }),
    )
  }
  const removeAddress: Netlink['removeAddress'] = ({ address, prefixLength, interfaceIndex }) => {
    const bytes = Buffer.from(addressBytes(address))
    const data = { family: domains[familyOf(address)], prefixlen: prefixLength, index: interfaceIndex }
    return removal(`cannot remove ${address}/${prefixLength}`, () =>
      socket.delAddress(data, { local: bytes, address: bytes }, options),
    )
  }
  const newRoute = (route: RouteLease, flags: number): Promise<Outcome> =>
    request(`cannot add the route to ${route.to}/${route.prefixLength}`, () =>
      socket.newRoute(routeData(route), { ...routeKey(route), ...routeAttributes(route) }, { ...options, flags }),
    )
  const addRoute: Netlink['addRoute'] = (route) => newRoute(route, createOnly)
  const prolongRoute: Netlink['prolongRoute'] = async (route) => {
    const added = await newRoute(route, messageFlags.create)
    // The kernel prolongs what is there with the same gateway, and says no more than that it is.
    if (!added.ok) return added.code === 'EEXIST' ? done : added
    await removeRoute(route)
    return refused('EEXIST', `the route to ${route.to}/${route.prefixLength} has been replaced`)
  }
  const removeRoute: Netlink['removeRoute'] = (route) =>
    removal(`cannot remove the route to ${route.to}/${route.prefixLength}`, () =>
      socket.delRoute(routeData(route), routeKey(route), options),
    )
  const addMacvlan: Netlink['addMacvlan'] = (name, parentIndex, mac) => {
    const mode = attribute(macvlanMode, words(macvlanBridge))
    const linkinfo = Buffer.concat([attribute(infoKind, Buffer.from('macvlan')), attribute(infoData, mode)])
    const attributes: ifla.LinkAttrs = { ifname: name, link: words(parentIndex), address: Buffer.from(mac), linkinfo }
    return request(`cannot add the interface ${name}`, () =>
      socket.newLink({}, attributes, { ...options, flags: createOnly }),
    )
  }
  const resolveNeighbour: Netlink['resolveNeighbour'] = ({ address, interfaceIndex, mac }) => {
    const message = resolveRequest(address, interfaceIndex, mac !== null)
    return request(`cannot look for ${address}`, () =>
      socket.request(rt.MessageType.NEWNEIGH, message, { ...options, flags: mac === null ? messageFlags.create : 0 }),
    )
  }
  const switchOn: Netlink['switchOn'] = (name) =>
    request(`cannot switch on the interface ${name}`, () =>
      socket.setLink({ flags: { up: true }, change: { up: true } }, { ifname: name }, options),
    )
  const removeInterface: Netlink['removeInterface'] = (name) =>
    removal(`cannot remove the interface ${name}`, () => socket.delLink({}, { ifname: name }, options))
  return {
    findInterface,
    listAddresses,
    listInterfaces,
    listNeighbours,
    resolveNeighbour,
    listOwnRoutes,
    setAddress,
    removeAddress,
    addRoute,
    prolongRoute,
    removeRoute,
    addMacvlan,
    switchOn,
    removeInterface,
    close: () => {
      for (const one of [socket, lists]) one.socket.close()
    },
  }
}

const routeData = ({ to, prefixLength, via }: RouteLease): rt.Route => ({
  family: domains[familyOf(to)],
  dstLen: prefixLength,
  table: rt.RoutingTableClass.MAIN,
  protocol: ownOrigin,
  scope: via === undefined ? 'LINK' : 'UNIVERSE',
  type: 'UNICAST',
})

/** What tells a route from others. */
const routeKey = (route: RouteLease): rt.RouteAttrs => ({
  dst: Buffer.from(addressBytes(route.to)),
  oif: route.interfaceIndex,
  ...(route.via === undefined ? {} : { gateway: Buffer.from(addressBytes(route.via)) }),
  ...(route.metric === undefined ? {} : { priority: route.metric }),
})

const routeAttributes = (route: RouteLease): rt.RouteAttrs => ({
  ...(route.source === undefined ? {} : { prefsrc: Buffer.from(addressBytes(route.source)) }),
  ...(familyOf(route.to) === 'ipv4' ? {} : { expires: words(route.lifetime) }),
})

const ownRoute = ({ data, attrs }: rt.RouteMessage): readonly OwnRoute[] => {
  if (!isOfIp(data.family) || Number(data.protocol) !== ownOrigin || data.table !== rt.RoutingTableClass.MAIN) return []
  const { dst, gateway, oif: interfaceIndex, priority: metric } = attrs
  if (interfaceIndex === undefined) return []
  const to = dst === undefined ? (data.family === domains.ipv4 ? '0.0.0.0' : '::') : addressText(dst)
  const via = gateway === undefined ? undefined : addressText(gateway)
  return [{ to, prefixLength: data.dstLen ?? 0, via, interfaceIndex, metric }]
}

/** Opens the socket for events; the function that is returned closes it. */
export const listenToNetwork = (listener: NetworkListener): (() => void) => {
  const socket = createRtNetlink({ ...bufferSizes, ref: true })
  socket.addMembership(rt.MulticastGroups.LINK)
  socket.addMembership(rt.MulticastGroups.IPV4_IFADDR)
  socket.addMembership(rt.MulticastGroups.IPV6_IFADDR)
  if (listener.onNeighbour !== undefined) socket.addMembership(rt.MulticastGroups.NEIGH)
  // The kernel's only complaint on this socket is ENOBUFS: it had more to tell than the socket could hold.
  socket.socket.on('error', listener.onOverrun)
  socket.socket.on('invalid', listener.onOverrun)
  socket.socket.on('message', (messages) => {
    for (const { type, data } of messages) {
      if (type === rt.MessageType.NEWADDR || type === rt.MessageType.DELADDR) {
        const present = type === rt.MessageType.NEWADDR
        for (const address of hostAddress(data)) listener.onAddress(address, present)
      } else if (type === rt.MessageType.NEWLINK || type === rt.MessageType.DELLINK) {
        const { data: link, attrs } = rt.parseLinkMessage(data)
        listener.onLink({ name: attrs.ifname ?? '', index: link.index ?? 0 })
      } else if (type === rt.MessageType.NEWNEIGH || type === rt.MessageType.DELNEIGH) {
        const present = type === rt.MessageType.NEWNEIGH
        for (const neighbour of neighbourIn(data)) listener.onNeighbour?.(neighbour, present)
      }
    }
  })
  return () => socket.socket.close()
}

const networkLink = (message: rt.LinkMessage | undefined): NetworkLink => {
  const { flags = {}, index = 0 } = message?.data ?? {}
  const { ifname = '', address, mtu = 0, link } = message?.attrs ?? {}
  return {
    ...{ name: ifname, index, mtu },
    mac: [...(address ?? [])],
    isUp: flags.up === true && flags.running === true,
    hasNeighbours: address?.length === ethernetLength && flags.loopback !== true && flags.noarp !== true,
    parentIndex: link === undefined ? null : wordAt(link, 0),
  }
}

const hostAddress = (message: Buffer): readonly HostAddress[] => {
  const { data, attrs } = rt.parseAddressMessage(message)
  const bytes = attrs.local ?? attrs.address
  if (bytes === undefined || !isOfIp(data.family)) return []
  const flags = attrs.flags ?? data.flags
  const address = addressText(bytes)
  // Of scope host, or never to be chosen as a source: what somebody routes here for good is neither.
  const isHidden = familyOf(address) === 'ipv4' ? data.scope === hostScope : flags?.deprecated === true
  return [
    {
      address,
      prefixLength: data.prefixlen ?? 0,
      interfaceIndex: data.index ?? 0,
      isPermanent: flags?.permanent === true,
      isTentative: flags?.tentative === true || flags?.dadfailed === true,
      isDuplicate: flags?.dadfailed === true,
      isForAnswers: isHidden && flags?.permanent === true && data.index === loopbackIndex && !isLoopback(address),
      origin: originIn(message),
    },
  ]
}

const isOfIp = (family: number | undefined): boolean => family === domains.ipv4 || family === domains.ipv6

/** The module gives the error's name at the end of its message only. */
const outcomeOf = async <T>(what: string, request: () => Promise<T>): Promise<Outcome<T>> => {
  try {
    return { ok: true, value: await request() }
  } catch (error) {
    const message = textOf(error)
    const [, code = 'EIO'] = /: (E[A-Z0-9]+)$/.exec(message) ?? []
    return refused(code, `${what}: ${advice[code] ?? message}`)
  }
}

const advice: Readonly<Record<string, string>> = {
  EPERM: 'not permitted (EPERM); the process needs the capability net_admin',
  ENODEV: 'there is no such interface (ENODEV)',
}
