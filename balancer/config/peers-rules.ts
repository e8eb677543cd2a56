// Rules over `peers`: addresses that cannot be those of other balancers, and the key.

import * as z from 'zod'
import { isLoopback } from '../core/address-kind.ts'
import { type Endpoint, endpointText, excludeEachOther } from '../core/endpoint.ts'
import { familyOf } from '../core/ip-address.ts'
import type { HostNetwork } from '../os/host-network.ts'
import type { Finding } from './document.ts'
import { parseEndpoint } from './endpoint-values.ts'
import { listOf, mapping, text } from './lenient.ts'
import { readPeersKey } from './peers-key.ts'
import { fileFindings } from './secret-file.ts'
import type { Written } from './written.ts'

const lenient = mapping({
  listeners: listOf(mapping({ datapath: text })),
  peers: mapping({ key_file: text, listen: text, to: z.array(text).catch([]) }),
})

/** What contradicts itself in `peers`, and what is unwise. */
export const peersFindings = (input: unknown, written: Written, host: HostNetwork | null): readonly Finding[] => {
  const config = lenient.parse(input)
  const peers = config?.peers
  if (peers === undefined) return []
  const listen = parseEndpoint(peers.listen)
  const to = peers.to.flatMap((value, i) => {
    const endpoint = parseEndpoint(value)
    return endpoint === undefined ? [] : [{ endpoint, path: ['peers', 'to', i] }]
  })
  return [
    ...(peers.key_file?.startsWith('/') ? fileFindings(readPeersKey(peers.key_file), ['peers', 'key_file']) : []),
    ...(listen === undefined ? [] : listenFindings(listen, written, host)),
    ...toFindings(listen, to, written),
    ...(config?.listeners.some((listener) => listener?.datapath === 'direct')
      ? []
      : [
          {
            path: ['peers'],
            text: 'no listener has datapath: direct: there is nothing to tell other balancers, and nothing is done with this',
            isWarning: true,
          },
        ]),
  ]
}

const moves = 'is a virtual address, and moves from one balancer to another; write an address that the host always has'

const listenFindings = (
  listen: Endpoint,
  { virtual, binds }: Written,
  host: HostNetwork | null,
): readonly Finding[] => {
  const path = ['peers', 'listen']
  const { address } = listen
  if (virtual.some((held) => held.address === address)) return [{ path, text: `${address} ${moves}` }]
  const taken = binds.find((bind) => excludeEachOther(bind, listen))
  if (taken !== undefined) {
    return [{ path, text: `found "${endpointText(listen)}"; ${taken.owner} has this port; choose another` }]
  }
  const isHere = host === null || isLoopback(address) || host.addresses.some((held) => held.address === address)
  const text = `${address} is no address of this host: no other balancer can connect until somebody adds it`
  return isHere ? [] : [{ path, text, isWarning: true }]
}

type Target = { readonly endpoint: Endpoint; readonly path: readonly PropertyKey[] }

const toFindings = (listen: Endpoint | undefined, to: readonly Target[], { virtual }: Written): readonly Finding[] => {
  const isOwn = ({ endpoint }: Target): boolean =>
    listen !== undefined && endpointText(endpoint) === endpointText(listen)
  const findings = to.flatMap(({ endpoint, path }, i): readonly Finding[] => {
    const shown = endpointText(endpoint)
    if (to.slice(0, i).some((earlier) => endpointText(earlier.endpoint) === shown)) {
      return [{ path, text: `found "${shown}"; it stands above already; remove one` }]
    }
    if (virtual.some((held) => held.address === endpoint.address)) {
      return [{ path, text: `${endpoint.address} ${moves}` }]
    }
    if (listen !== undefined && familyOf(listen.address) !== familyOf(endpoint.address)) {
      const text = `found "${shown}"; connections go there from ${listen.address}, an address of the other family; write both in one`
      return [{ path, text }]
    }
    return []
  })
  const isAlone = to.length > 0 && to.every(isOwn)
  const alone = {
    path: ['peers', 'to'],
    text: 'this is peers.listen, this balancer itself; name the other ones as well',
  }
  return isAlone ? [...findings, alone] : findings
}
