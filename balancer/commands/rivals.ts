// Programs on this host that want the same as the balancer: haproxy on its ports, keepalived with its virtual router ids.

import type { BalancerConfig } from '../config/schema.ts'
import type { Endpoint } from '../config/values.ts'
import { endpointText } from '../core/ip-address.ts'
import { keepalivedInstances } from '../os/keepalived.ts'
import { holdersOf } from '../os/port-holder.ts'

/** A line for each keepalived instance that is a virtual router of this configuration too: two masters on one host. */
export const keepalivedWarnings = ({ vrrp }: Pick<BalancerConfig, 'vrrp'>): readonly string[] =>
  keepalivedInstances().flatMap(({ pid, interface: device, virtualRouterId }) =>
    vrrp.instances
      .filter((one) => one.interface === device && one.virtual_router_id === virtualRouterId)
      .map(
        ({ name }) =>
          `keepalived (process ${pid}) runs on this host with virtual_router_id ${virtualRouterId} on ${device}, as ${name}: ` +
          'they take the address from each other; run: systemctl disable --now keepalived, or choose another id',
      ),
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
      `${key}: ${endpointText(endpoint)} is in use: ${name} (process ${pid}) listens at ${endpointText({ ...endpoint, address })}; ` +
        `stop it${name === 'haproxy' ? ' (systemctl disable --now haproxy)' : ''}, or change ${key}`,
    ]
  })
