// Where a server is on the network segment: on this host, behind a MAC address on one of its interfaces, or why not.

import { isWithin } from '../../../core/address-kind.ts'
import { familyOf, isLinkLocal } from '../../../core/ip-address.ts'
import { clientSide, type HostView, type Route, routeTo } from '../../core/host-view.ts'
import type { ServerPath } from './direct-listener.ts'

/** An interface. `mac` is null where there are no Ethernet addresses. */
export type SegmentLink = {
  readonly name: string
  readonly index: number
  readonly mac: string | null
  readonly isUp: boolean
}

/** What is known of this host and of its neighbours; `mac` is null while nobody answers for the address. */
export type SegmentView = {
  readonly links: readonly SegmentLink[]
  readonly addresses: readonly (HostView['addresses'][number] & { readonly prefixLength: number })[]
  readonly routes: readonly (Route & { readonly via: string | null })[]
  readonly neighbours: (
    address: string,
  ) => readonly { readonly interfaceIndex: number; readonly mac: string | null; readonly isFixed: boolean }[]
}

/**
 * The way to a server. `path` is where its frames go, null where that is not known. `why` is a sentence about what is wrong, also
 * where a path is used in spite of it. `lookFor`: the kernel should look for it there, or have a `mac` confirmed; null where
 * that leads to nothing.
 */
export type ServerWay = {
  readonly path: ServerPath | null
  readonly why: string | null
  readonly lookFor: { readonly interfaceIndex: number; readonly mac: string | null } | null
  /** Waiting or another try will not change it: the network has to be another. */
  readonly isElsewhere: boolean
}

const nowhere = (why: string): ServerWay => ({ path: null, why, lookFor: null, isElsewhere: true })

/** The way to a server now. `before` is what this said last: a MAC address that was known stays in use while nobody answers. */
export const wayToServer = (address: string, view: SegmentView, before: ServerWay | undefined): ServerWay => {
  if (view.addresses.some((held) => held.address === address)) {
    return { path: { kind: 'here' }, why: null, lookFor: null, isElsewhere: false }
  }
  const route = routeTo(address, view.routes)
  if (route === undefined) return nowhere('this host has no route to it')
  if (route.via !== null) {
    return nowhere(
      `it is behind the router ${route.via} (${route.device}), and frames go no further than this network segment`,
    )
  }
  const link = view.links.find(({ name }) => name === route.device)
  if (link === undefined) return nowhere(`its interface ${route.device} is not there`)
  if (link.mac === null) return nowhere(`its interface ${link.name} has no Ethernet addresses`)
  const found = view.neighbours(address).find(({ interfaceIndex }) => interfaceIndex === link.index)
  if (found?.mac == null) return unanswered(address, link, before)
  const router = routerAt(found.mac, view)
  return {
    path: { kind: 'link', device: link.name, mac: found.mac },
    why:
      router === null
        ? null
        : `its MAC address on ${link.name} is that of the router ${router}: it is on another segment, and the router answers for it (proxy ARP)`,
    lookFor: found.isFixed ? null : { interfaceIndex: link.index, mac: found.mac },
    isElsewhere: router !== null,
  }
}

const unanswered = (address: string, link: SegmentLink, before: ServerWay | undefined): ServerWay => {
  const last = before?.path?.kind === 'link' && before.path.device === link.name ? before.path : null
  const asked = address.includes(':') ? 'neighbour discovery' : 'ARP'
  const silence = link.isUp ? `nobody answers for it on ${link.name} (${asked})` : `its interface ${link.name} is down`
  return {
    path: last,
    why:
      last === null
        ? `its MAC address is not known: ${silence}`
        : `${silence}: its frames go to the MAC address that it had last, ${last.mac}`,
    lookFor: link.isUp ? { interfaceIndex: link.index, mac: null } : null,
    isElsewhere: false,
  }
}

/** The router with this MAC address, if a route leads to one. */
const routerAt = (mac: string, { routes, neighbours }: SegmentView): string | null =>
  routes.flatMap(({ via }) => via ?? []).find((via) => neighbours(via).some((found) => found.mac === mac)) ?? null

/** The interfaces that the rules have to hear: where clients come in, and where servers are; only those that are there. */
export const listeningDevices = (
  binds: readonly string[],
  ways: readonly ServerWay[],
  places: HostView['places'],
  view: SegmentView,
): readonly { readonly name: string; readonly mac: string }[] => {
  const names = new Set([
    ...binds.flatMap((address) => clientSide(address, { ...view, places })),
    ...ways.flatMap(({ path }) => (path?.kind === 'link' ? [path.device] : [])),
  ])
  return view.links
    .flatMap(({ name, mac }) => (mac !== null && names.has(name) ? [{ name, mac }] : []))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
}

/**
 * The addresses as which this host may speak to a server behind an interface: those of its own network first, and none of those
 * that others have too (`shared`).
 */
export const ownAddresses = (
  server: string,
  device: string,
  shared: ReadonlySet<string>,
  { addresses }: Pick<SegmentView, 'addresses'>,
): readonly string[] => {
  const own = addresses.filter(
    ({ address, device: holder }) =>
      holder === device && familyOf(address) === familyOf(server) && !shared.has(address) && !isLinkLocal(address),
  )
  const isNear = ({ address, prefixLength }: (typeof own)[number]): boolean => isWithin(server, address, prefixLength)
  return [...own.filter(isNear), ...own.filter((one) => !isNear(one))].map(({ address }) => address)
}
