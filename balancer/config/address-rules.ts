// Rules over the addresses that virtual routers hold, send from and route through.

import { isWithin } from '../core/address-kind.ts'
import { familyOf } from '../core/ip-address.ts'
import { nearest } from '../core/near-word.ts'
import { ownerPriority } from '../core/owner-priority.ts'
import type { HostNetwork } from '../os/host-network.ts'
import type { Finding } from './document.ts'
import { repeated } from './lenient.ts'
import type { Written, WrittenInstance, WrittenVirtual } from './written.ts'

/** What cannot work, or hardly, with the addresses of the instances. `host` is this host, where it can be looked at. */
export const addressFindings = (written: Written, host: HostNetwork | null): readonly Finding[] => [
  ...repeated(
    written.virtual.map(({ key, path }) => ({ value: key, path })),
    (key) => `${key.split('%')[0]} is a virtual address already; each stands once`,
  ),
  ...written.virtual.flatMap((virtual) => foreignFindings(virtual, written)),
  ...written.instances.flatMap((instance) => [
    ...sourceFindings(instance, written),
    ...routeFindings(instance, written, host),
    ...(host === null ? [] : hostFindings(instance, written, host)),
  ]),
]

const instanceOf = ({ instance }: WrittenVirtual, { instances }: Written): WrittenInstance | undefined =>
  instances[instance]

const foreignFindings = (virtual: WrittenVirtual, written: Written): readonly Finding[] => {
  const { address, path } = virtual
  const server = written.servers.find((one) => one.address === address)
  return server === undefined || instanceOf(virtual, written)?.priority === ownerPriority
    ? []
    : [
        {
          path,
          text: `${address} is the address of ${server.owner}: its connections would come back to this host; give each its own`,
        },
      ]
}

const sourceFindings = (instance: WrittenInstance, written: Written): readonly Finding[] => {
  const isVirtual = (address: string): boolean => written.virtual.some((virtual) => virtual.address === address)
  const { source, peers, priority, peerPriority } = instance
  const said = (address: string): string =>
    `${address} is a virtual address; write the router's own, which it always has`
  return [
    ...(source !== undefined && priority !== ownerPriority && isVirtual(source.address)
      ? [{ path: source.path, text: said(source.address) }]
      : []),
    ...peers.flatMap(({ address, path }) =>
      peerPriority !== ownerPriority && isVirtual(address) ? [{ path, text: said(address) }] : [],
    ),
    ...repeated(
      peers.map(({ address, path }) => ({ value: address, path })),
      (address) => `${address} stands above already; name each peer once`,
    ),
  ]
}

const routeFindings = (
  instance: WrittenInstance,
  { instances, virtual }: Written,
  host: HostNetwork | null,
): readonly Finding[] => {
  const own = virtual.filter((one) => instances[one.instance] === instance)
  const held = (host?.addresses ?? []).filter(({ device }) => instance.devices.some(({ name }) => name === device))
  return instance.routes.flatMap(({ to, via, path }): readonly Finding[] => {
    if (via === undefined) return []
    if (to !== undefined && familyOf(to) !== familyOf(via)) {
      return [{ path, text: `${via} is of the other family than the network; write a gateway of the same` }]
    }
    if (own.some(({ address }) => address === via)) {
      return [{ path, text: `${via} is a virtual address of this instance; write the gateway of the network` }]
    }
    const isReached = [...own, ...held].some(({ address, prefixLength }) => isWithin(via, address, prefixLength))
    const text = `${via} is in no network of ${instance.interface} and of the virtual addresses; the kernel refuses such a route`
    return isReached ? [] : [{ path, text, isWarning: true }]
  })
}

const hostFindings = (
  instance: WrittenInstance,
  { instances, virtual }: Written,
  host: HostNetwork,
): readonly Finding[] => {
  const warning = (path: readonly PropertyKey[], text: string): Finding => ({ path, text, isWarning: true })
  const has = (address: string): boolean => host.addresses.some((held) => held.address === address)
  const { source, peers, devices, priority } = instance
  const names = [...host.interfaces]
  return [
    ...devices.flatMap(({ name, path }) =>
      host.interfaces.has(name)
        ? []
        : [
            warning(
              path,
              `this host has no interface ${name}${nearest(name, names) || ` (it has ${names.join(', ')})`}`,
            ),
          ],
    ),
    ...(source === undefined || has(source.address)
      ? []
      : [warning(source.path, `this host does not have ${source.address}: the instance is in FAULT until it has`)]),
    ...peers.flatMap(({ address, path }) =>
      has(address) && address !== source?.address
        ? [warning(path, `this host itself has ${address}; name the other routers only`)]
        : [],
    ),
    ...virtual.flatMap(({ address, path, instance: i }) =>
      instances[i] === instance && priority === ownerPriority && !has(address)
        ? [
            warning(
              path,
              `priority 255 is for the owner of ${address}, and this host does not have it; write 254 or less`,
            ),
          ]
        : [],
    ),
  ]
}
