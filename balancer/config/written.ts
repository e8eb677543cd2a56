// The addresses that a configuration names, each with what it is for and its place: what the rules compare.

import * as z from 'zod'
import type { Endpoint } from '../core/endpoint.ts'
import { isLinkLocal } from '../core/ip-address.ts'
import { parseEndpoint } from './endpoint-values.ts'
import { listOf, mapping, text } from './lenient.ts'
import { type AddressWithPrefix, parseAddressWithPrefix, parseIpAddress } from './values.ts'

type Place = { readonly path: readonly PropertyKey[] }

/** A virtual address. `key` is the same for two that cannot both be there: a link-local one is valid on one link only. */
export type WrittenVirtual = Place &
  AddressWithPrefix & { readonly key: string; readonly instance: number; readonly isExcluded: boolean }

/** Where a listener, or the status page (null), takes connections. `isRouted`: without its address, what is sent here for it is passed on. */
export type WrittenBind = Place &
  Endpoint & { readonly listener: number | null; readonly owner: string; readonly isRouted: boolean }

/** A server of a listener. */
export type WrittenServer = Place & Endpoint & { readonly listener: number; readonly owner: string }

/** An instance: what of it bears on its addresses. */
export type WrittenInstance = Place & {
  /** Its sync group, by its place in the list; undefined where it has none. */
  readonly group: number | undefined
  readonly interface: string | undefined
  readonly priority: number | undefined
  readonly peerPriority: number | undefined
  readonly source: (Place & { readonly address: string }) | undefined
  readonly peers: readonly (Place & { readonly address: string })[]
  readonly routes: readonly (Place & { readonly to: string | undefined; readonly via: string | undefined })[]
  /** Every interface that it names. */
  readonly devices: readonly (Place & { readonly name: string })[]
}

/** All of them, as far as they can be read: the schema reports the rest. */
export type Written = {
  readonly instances: readonly WrittenInstance[]
  readonly virtual: readonly WrittenVirtual[]
  readonly binds: readonly WrittenBind[]
  readonly servers: readonly WrittenServer[]
}

const number = z.number().optional().catch(undefined)
const address = z
  .union([
    z.string().transform((given) => ({ address: given, dev: undefined })),
    z.object({ address: text, dev: text }),
  ])
  .catch({ address: undefined, dev: undefined })
const device = z
  .union([z.string(), z.object({ interface: z.string() }).transform((given) => given.interface)])
  .optional()
  .catch(undefined)

const lenient = mapping({
  vrrp: mapping({
    sync_groups: listOf(mapping({ instances: listOf(text) })),
    instances: listOf(
      mapping({
        name: text,
        interface: text,
        priority: number,
        virtual_addresses: listOf(address),
        virtual_addresses_excluded: listOf(address),
        virtual_routes: listOf(mapping({ to: text, via: text, dev: text })),
        unicast: mapping({ source: text, peers: listOf(text) }),
        track: mapping({ interfaces: listOf(device) }),
        peer: mapping({ priority: number }),
      }),
    ),
  }),
  listeners: listOf(
    mapping({ name: text, datapath: text, bind: z.unknown(), servers: listOf(mapping({ name: text, address: text })) }),
  ),
  admin: mapping({ http: mapping({ bind: z.unknown() }) }),
})

type Lenient = NonNullable<z.output<typeof lenient>>
type Instance = NonNullable<NonNullable<Lenient['vrrp']>['instances'][number]>

/** Reads them from raw input. */
export const writtenIn = (input: unknown): Written => {
  const config = lenient.parse(input)
  const instances = config?.vrrp?.instances ?? []
  const groups = config?.vrrp?.sync_groups ?? []
  const listeners = config?.listeners ?? []
  const pathOf = (i: number) => ['vrrp', 'instances', i] as const
  return {
    instances: instances.map((instance, i) => instanceIn(instance, groups, pathOf(i))),
    virtual: instances.flatMap((instance, i) =>
      instance === undefined
        ? []
        : (['virtual_addresses', 'virtual_addresses_excluded'] as const).flatMap((list) =>
            instance[list].flatMap(({ address: given, dev = instance.interface }, j) => {
              const parsed = parseAddressWithPrefix(given)
              if (parsed === undefined) return []
              const key = isLinkLocal(parsed.address) ? `${parsed.address}%${dev}` : parsed.address
              return [
                {
                  ...parsed,
                  key,
                  instance: i,
                  isExcluded: list !== 'virtual_addresses',
                  path: [...pathOf(i), list, j],
                },
              ]
            }),
          ),
    ),
    binds: [
      ...listeners.flatMap((listener, i) =>
        bindsIn(listener?.bind, ['listeners', i, 'bind'], {
          ...{ listener: i, owner: `listener ${listener?.name ?? i}`, isRouted: listener?.datapath === 'direct' },
        }),
      ),
      ...bindsIn(config?.admin?.http?.bind, ['admin', 'http', 'bind'], {
        ...{ listener: null, owner: 'the status page', isRouted: false },
      }),
    ],
    servers: listeners.flatMap((listener, i) =>
      (listener?.servers ?? []).flatMap((server, j) => {
        const endpoint = parseEndpoint(server?.address)
        const owner = `server ${listener?.name ?? i}/${server?.name ?? j}`
        return endpoint === undefined
          ? []
          : [{ ...endpoint, listener: i, owner, path: ['listeners', i, 'servers', j, 'address'] }]
      }),
    ),
  }
}

const bindsIn = (
  bind: unknown,
  path: readonly PropertyKey[],
  of: Pick<WrittenBind, 'listener' | 'owner' | 'isRouted'>,
): readonly WrittenBind[] =>
  (Array.isArray(bind) ? bind.map((value, i) => [value, [...path, i]] as const) : [[bind, path] as const]).flatMap(
    ([value, at]) => {
      const endpoint = parseEndpoint(value)
      return endpoint === undefined ? [] : [{ ...endpoint, ...of, path: at }]
    },
  )

const instanceIn = (
  instance: Instance | undefined,
  groups: NonNullable<Lenient['vrrp']>['sync_groups'],
  path: readonly PropertyKey[],
): WrittenInstance => {
  const located = (given: string | undefined, ...rest: readonly PropertyKey[]) => {
    const parsed = parseIpAddress(given)
    return parsed === undefined ? [] : [{ address: parsed, path: [...path, ...rest] }]
  }
  const named = (name: string | undefined, ...rest: readonly PropertyKey[]) =>
    name === undefined ? [] : [{ name, path: [...path, ...rest] }]
  const group = groups.findIndex((one) => one?.instances.includes(instance?.name))
  return {
    path,
    group: instance?.name === undefined || group < 0 ? undefined : group,
    interface: instance?.interface,
    priority: instance?.priority,
    peerPriority: instance?.peer?.priority,
    source: located(instance?.unicast?.source, 'unicast', 'source')[0],
    peers: (instance?.unicast?.peers ?? []).flatMap((peer, i) => located(peer, 'unicast', 'peers', i)),
    routes: (instance?.virtual_routes ?? []).map((route, i) => ({
      to: parseAddressWithPrefix(route?.to)?.address,
      via: parseIpAddress(route?.via),
      path: [...path, 'virtual_routes', i, 'via'],
    })),
    devices: [
      ...named(instance?.interface, 'interface'),
      ...(['virtual_addresses', 'virtual_addresses_excluded', 'virtual_routes'] as const).flatMap((list) =>
        (instance?.[list] ?? []).flatMap((one, i) => named(one?.dev, list, i, 'dev')),
      ),
      ...(instance?.track?.interfaces ?? []).flatMap((name, i) => named(name, 'track', 'interfaces', i)),
    ],
  }
}
