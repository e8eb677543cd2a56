// Programs on this host that want the same as the balancer: haproxy on its ports, keepalived with its virtual router ids.

import type { BalancerConfig } from '../config/schema.ts'
import type { VrrpInstanceConfig } from '../config/vrrp-schema.ts'
import { type Endpoint, endpointText } from '../core/endpoint.ts'
import { keepalivedInstances } from '../os/keepalived.ts'
import { holdersOf } from '../os/port-holder.ts'
import type { Advice } from './advice.ts'

/** A keepalived instance that is a virtual router here too, what comes of it, and what helps. */
export type Rival = Advice & { readonly instance: string }

/** Each keepalived instance that is one of these virtual routers too: two masters on one host. */
export const keepalivedRivals = (instances: readonly VrrpInstanceConfig[]): readonly Rival[] =>
  keepalivedInstances().flatMap(({ pid, interface: device, virtualRouterId }) =>
    instances
      .filter((one) => one.interface === device && one.virtual_router_id === virtualRouterId)
      .map(({ name }) => ({
        instance: name,
        what: `${name}: keepalived (process ${pid}) runs on this host with virtual_router_id ${virtualRouterId} on ${device} too: they take the address from each other`,
        remedy: 'run: systemctl disable --now keepalived, or choose another id',
      })),
  )

/** A line for each address and port on which another program listens. */
export const portWarnings = ({ listeners, admin }: Pick<BalancerConfig, 'listeners' | 'admin'>): readonly string[] => [
  ...listeners.flatMap(({ bind }, i) => bind.flatMap((one) => taken(one, `listeners[${i}].bind`))),
  ...(admin.http?.bind ?? []).flatMap((one) => taken(one, 'admin.http.bind')),
]

const taken = (endpoint: Endpoint, key: string): readonly string[] =>
  holdersOf(endpoint).flatMap(({ address, process }) => {
    // A balancer that runs has its own ports; who may not look cannot tell.
    if (process === null || process.title.startsWith('balancer: ')) return []
    const { name, pid } = process
    return [
      `${key}: ${endpointText(endpoint)} is in use: ${name} (process ${pid}) listens at ${endpointText({ address, port: endpoint.port })}; ` +
        `stop it${name === 'haproxy' ? ' (systemctl disable --now haproxy)' : ''}, or change ${key}`,
    ]
  })
