// Interfaces and IPv4 addresses through rtnetlink. The only file that touches the module netlink.
// Requests and events have a socket each: on one, the notice of the own change would pass for the answer.

import { createRtNetlink, type ifla, rt } from 'netlink'
import { done, type Outcome, refused } from './outcome.ts'

/** One IPv4 address of this host. `isPermanent`: nobody gave it a lifetime. */
export type HostAddress = {
  readonly address: string
  readonly prefixLength: number
  readonly interfaceIndex: number
  readonly isPermanent: boolean
}

/** A network interface. `isUp`: switched on and with a carrier. `mac` has six bytes on Ethernet. */
export type NetworkInterface = {
  readonly name: string
  readonly index: number
  readonly mac: readonly number[]
  readonly isUp: boolean
  readonly addresses: readonly HostAddress[]
}

/** An address to add. The kernel takes it away by itself after `lifetime` seconds, unless it is set again before. */
export type AddressLease = {
  readonly address: string
  readonly prefixLength: number
  readonly interfaceIndex: number
  readonly lifetime: number
  readonly label: string | undefined
}

/** Requests to the kernel. It carries them out in the order of the calls, each before the call returns its promise. */
export type Netlink = {
  /** The interface of this name; `ENODEV` if there is none. */
  readonly findInterface: (name: string) => Promise<Outcome<NetworkInterface>>
  readonly listAddresses: () => Promise<Outcome<readonly HostAddress[]>>
  /** Adds the address, or prolongs it if it is there. */
  readonly setAddress: (lease: AddressLease) => Promise<Outcome>
  /** Removes the address; that it is not there is fine. */
  readonly removeAddress: (address: Omit<HostAddress, 'isPermanent'>) => Promise<Outcome>
  readonly close: () => void
}

/** What the kernel tells unasked. After `overrun` events were lost: list again. */
export type NetworkListener = {
  readonly onAddress: (address: HostAddress, present: boolean) => void
  readonly onLink: (name: string) => void
  readonly onOverrun: () => void
}

const familyIpv4 = 2
const createOrReplace = 0x500
const answerWithin = 1000
const retryAfter = 1000
const bufferSizes = { recvBufferSize: 1 << 20, sendBufferSize: 1 << 17 }
const isGone = new Set(['EADDRNOTAVAIL', 'ENODEV'])

/** Opens the socket for requests. */
export const openNetlink = (): Netlink => {
  const socket = createRtNetlink(bufferSizes)
  socket.socket.on('error', () => undefined)
  const options = { timeout: answerWithin }

  const listAddresses: Netlink['listAddresses'] = () =>
    outcomeOf('cannot list the addresses', async () =>
      (await socket.getAddresses({ family: familyIpv4 }, {}, options)).flatMap(hostAddress),
    )
  const findInterface: Netlink['findInterface'] = (name) =>
    outcomeOf(`cannot look up the interface ${name}`, async () => {
      const [link] = await socket.getLink({}, { ifname: name }, options)
      const addresses = (await socket.getAddresses({ family: familyIpv4 }, {}, options)).flatMap(hostAddress)
      const { index = 0, flags = {} } = link?.data ?? {}
      return {
        name,
        index,
        mac: [...(link?.attrs.address ?? [])],
        isUp: flags.up === true && flags.running === true,
        addresses: addresses.filter((address) => address.interfaceIndex === index),
      }
    })
  const setAddress: Netlink['setAddress'] = ({ address, prefixLength, interfaceIndex, lifetime, label }) => {
    const bytes = addressBuffer(address)
    const data = { family: familyIpv4, prefixlen: prefixLength, index: interfaceIndex }
    const cacheInfo = { ifaPrefered: lifetime, ifaValid: lifetime }
    const attributes = { local: bytes, address: bytes, cacheInfo, ...(label === undefined ? {} : { label }) }
    return outcomeOf(`cannot add ${address}/${prefixLength}`, async () => {
      await socket.newAddress(data, attributes, { ...options, flags: createOrReplace })
      return undefined
    })
  }
  const removeAddress: Netlink['removeAddress'] = async ({ address, prefixLength, interfaceIndex }) => {
    const bytes = addressBuffer(address)
    const data = { family: familyIpv4, prefixlen: prefixLength, index: interfaceIndex }
    const outcome = await outcomeOf(`cannot remove ${address}/${prefixLength}`, async () => {
      await socket.delAddress(data, { local: bytes, address: bytes }, options)
      return undefined
    })
    return !outcome.ok && isGone.has(outcome.code) ? done : outcome
  }
  return { findInterface, listAddresses, setAddress, removeAddress, close: () => socket.socket.close() }
}

/** Opens the socket for events; the function that is returned closes it. */
export const listenToNetwork = (listener: NetworkListener): (() => void) => {
  const socket = createRtNetlink({ ...bufferSizes, ref: true })
  socket.addMembership(rt.MulticastGroups.LINK)
  socket.addMembership(rt.MulticastGroups.IPV4_IFADDR)
  // The kernel's only complaint on this socket is ENOBUFS: it had more to tell than the socket could hold.
  socket.socket.on('error', listener.onOverrun)
  socket.socket.on('invalid', listener.onOverrun)
  socket.socket.on('message', (messages) => {
    for (const { type, data } of messages) {
      if (type === rt.MessageType.NEWADDR || type === rt.MessageType.DELADDR) {
        const present = type === rt.MessageType.NEWADDR
        for (const address of hostAddress(rt.parseAddressMessage(data))) listener.onAddress(address, present)
      } else if (type === rt.MessageType.NEWLINK || type === rt.MessageType.DELLINK) {
        listener.onLink(interfaceName(rt.parseLinkMessage(data).attrs))
      }
    }
  })
  return () => socket.socket.close()
}

/** The addresses of this host. */
export type AddressWatch = { readonly has: (address: string) => boolean; readonly close: () => void }

/** Watches the addresses of this host; `onChange` is called for every address that comes or goes after the start. */
export const watchAddresses = async (onChange: (address: string, present: boolean) => void): Promise<AddressWatch> => {
  const netlink = openNetlink()
  /** The interfaces that hold an address. */
  const holders = new Map<string, ReadonlySet<number>>()
  const has = (address: string): boolean => holders.has(address)
  const keep = (address: string, interfaces: ReadonlySet<number>): void => {
    const before = has(address)
    if (interfaces.size > 0) holders.set(address, interfaces)
    else holders.delete(address)
    if (isReady && before !== has(address)) onChange(address, has(address))
  }
  let isOpen = true
  let isReady = false
  let heard = 0

  /** Takes over what the kernel lists. An event during the answer may be newer than the answer: then ask again. */
  const list = async (): Promise<Outcome> => {
    for (;;) {
      const before = heard
      const listed = await netlink.listAddresses()
      if (!listed.ok) return listed
      if (before !== heard) continue
      const found = holdersOf(listed.value)
      for (const address of new Set([...holders.keys(), ...found.keys()])) {
        keep(address, found.get(address) ?? new Set())
      }
      return done
    }
  }
  const listAgain = async (): Promise<void> => {
    if (!isOpen) return
    const listed = await list()
    if (!listed.ok && isOpen) setTimeout(() => void listAgain(), retryAfter)
  }
  const stopListening = listenToNetwork({
    onAddress: ({ address, interfaceIndex }, present) => {
      heard += 1
      const others = [...(holders.get(address) ?? [])].filter((index) => index !== interfaceIndex)
      keep(address, new Set(present ? [...others, interfaceIndex] : others))
    },
    onLink: () => undefined,
    onOverrun: () => void listAgain(),
  })
  const close = (): void => {
    if (isOpen) {
      stopListening()
      netlink.close()
    }
    isOpen = false
  }
  const listed = await list()
  if (!listed.ok) {
    close()
    throw new Error(listed.text)
  }
  isReady = true
  return { has, close }
}

const holdersOf = (addresses: readonly HostAddress[]): ReadonlyMap<string, ReadonlySet<number>> => {
  const holders = new Map<string, Set<number>>()
  for (const { address, interfaceIndex } of addresses) {
    holders.set(address, (holders.get(address) ?? new Set()).add(interfaceIndex))
  }
  return holders
}

const hostAddress = ({ data, attrs }: rt.AddressMessage): readonly HostAddress[] => {
  const bytes = attrs.local ?? attrs.address
  if (bytes === undefined || data.family !== familyIpv4) return []
  return [
    {
      address: bytes.join('.'),
      prefixLength: data.prefixlen ?? 0,
      interfaceIndex: data.index ?? 0,
      isPermanent: (attrs.flags ?? data.flags)?.permanent === true,
    },
  ]
}

const interfaceName = (attributes: ifla.LinkAttrs): string => attributes.ifname ?? ''

const addressBuffer = (address: string): Buffer => Buffer.from(address.split('.').map(Number))

/** The module gives the error's name at the end of its message only. */
const outcomeOf = async <T>(what: string, request: () => Promise<T>): Promise<Outcome<T>> => {
  try {
    return { ok: true, value: await request() }
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    const [, code = 'EIO'] = /: (E[A-Z0-9]+)$/.exec(message) ?? []
    return refused(code, `${what}: ${advice[code] ?? message}`)
  }
}

const advice: Readonly<Record<string, string>> = {
  EPERM: 'not permitted (EPERM); the process needs the capability net_admin',
  ENODEV: 'there is no such interface (ENODEV)',
}
