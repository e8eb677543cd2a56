// The links of this host, its addresses and its neighbours as they change: listed once, then followed by what the kernel tells.

import type { Neighbour } from './neighbour-message.ts'
import { type HostAddress, listenToNetwork, type NetworkLink, openNetlink } from './netlink.ts'
import { done, type Outcome } from './outcome.ts'

/** What is known now, and the wish for more. */
export type NeighbourWatch = {
  readonly links: () => readonly NetworkLink[]
  readonly addresses: () => readonly HostAddress[]
  /** Every entry for the address, on whatever interface. */
  readonly neighbours: (address: string) => readonly Neighbour[]
  /** Has the kernel look for a neighbour, or confirm the one with a `mac`; what comes of it is heard of. */
  readonly resolve: (neighbour: Pick<Neighbour, 'address' | 'interfaceIndex' | 'mac'>) => void
  readonly close: () => void
}

/** What the watch tells: a neighbour is another, or links or addresses are. */
export type NeighbourListener = {
  readonly onNeighbour: (address: string) => void
  readonly onNetwork: () => void
}

const retryAfter = 1000
/** Links and addresses that change together are listed once. */
const settle = 20

/** Begins to watch; the lists are there when it returns. Throws where the kernel refuses them. */
export const watchNeighbours = async (listener: NeighbourListener): Promise<NeighbourWatch> => {
  const netlink = openNetlink()
  let links: readonly NetworkLink[] = []
  let addresses: readonly HostAddress[] = []
  let neighbours = new Map<string, readonly Neighbour[]>()
  /** What is heard while the list is made may be newer than it. */
  let meanwhile: (() => void)[] | undefined
  let [isOpen, isReady, isListing] = [true, false, false]
  let wanted: 'network' | 'all' | null = null
  let timer: NodeJS.Timeout | undefined

  const hear = (neighbour: Neighbour, present: boolean): void => {
    const others = (neighbours.get(neighbour.address) ?? []).filter(
      ({ interfaceIndex }) => interfaceIndex !== neighbour.interfaceIndex,
    )
    const now = present ? [...others, neighbour] : others
    if (now.length > 0) neighbours.set(neighbour.address, now)
    else neighbours.delete(neighbour.address)
  }
  const listNetwork = async (): Promise<Outcome> => {
    const [foundLinks, foundAddresses] = [await netlink.listInterfaces(), await netlink.listAddresses()]
    if (!foundLinks.ok) return foundLinks
    if (!foundAddresses.ok) return foundAddresses
    ;[links, addresses] = [foundLinks.value, foundAddresses.value]
    return done
  }
  const listNeighbours = async (): Promise<Outcome> => {
    meanwhile = []
    const listed = await netlink.listNeighbours()
    const missed = meanwhile
    meanwhile = undefined
    if (listed.ok) {
      neighbours = new Map()
      for (const neighbour of listed.value) hear(neighbour, true)
    }
    for (const replay of missed) replay()
    return listed.ok ? done : listed
  }
  const listAll = async (): Promise<Outcome> => {
    const network = await listNetwork()
    return network.ok ? listNeighbours() : network
  }
  /** One list after the other: two at once would take each other's news for old. */
  const soon = (what: 'network' | 'all', delay = settle): void => {
    if (wanted !== 'all') wanted = what
    if (isListing || !isOpen) return
    isListing = true
    timer = setTimeout(async () => {
      const list = wanted === 'all' ? listAll : listNetwork
      wanted = null
      const listed = await list()
      isListing = false
      if (!isOpen) return
      if (!listed.ok) soon('all', retryAfter)
      else if (wanted !== null) soon(wanted)
      listener.onNetwork()
    }, delay)
  }
  const stopListening = listenToNetwork({
    onAddress: () => soon('network'),
    onLink: () => soon('network'),
    onNeighbour: (neighbour, present) => {
      meanwhile?.push(() => hear(neighbour, present))
      hear(neighbour, present)
      if (isReady) listener.onNeighbour(neighbour.address)
    },
    onOverrun: () => soon('all'),
  })
  const close = (): void => {
    if (!isOpen) return
    isOpen = false
    clearTimeout(timer)
    stopListening()
    netlink.close()
  }
  const listed = await listAll()
  if (!listed.ok) {
    close()
    throw new Error(listed.text)
  }
  isReady = true
  return {
    links: () => links,
    addresses: () => addresses,
    neighbours: (address) => neighbours.get(address) ?? [],
    resolve: (neighbour) => {
      // An interface may be gone by now, which is heard of.
      if (isOpen) void netlink.resolveNeighbour(neighbour)
    },
    close,
  }
}
