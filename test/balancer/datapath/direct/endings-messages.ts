// What a test and the process that ends sessions in its lab say to each other.

import type { Endpoint } from '../../../../balancer/core/endpoint.ts'
import { addressBytes } from '../../../../balancer/core/ip-address.ts'
import type { ClientToEnd } from '../../../../balancer/datapath/direct/core/ending.ts'
import type { ServerPlace } from '../../../../balancer/datapath/direct/core/wake-up.ts'

/** What is asked; each is answered by `EndingsTold`. `ago`: sessions that began so many milliseconds ago or earlier. */
export type EndingsOrder =
  | { readonly do: 'places'; readonly places: readonly { readonly number: number; readonly place: ServerPlace }[] }
  | { readonly do: 'binds'; readonly binds: readonly Endpoint[] }
  | {
      readonly do: 'end'
      readonly bind: Endpoint
      readonly server: number | null
      readonly client: ClientToEnd | null
      readonly ago: number | null
      readonly waits: boolean
    }
  | { readonly do: 'left' | 'came'; readonly address: string }
  | { readonly do: 'told' }
  | { readonly do: 'see'; readonly bind: Endpoint }

/** `sessions`: how many ended, by the number of their server. */
export type EndingsTold = { readonly sessions: readonly (readonly [number, number])[]; readonly trouble: string | null }

/** The map of a bind in the rules of the lab. */
export const mapOf = ({ address, port }: Endpoint): string =>
  `flows_${addressBytes(address)
    .map((byte) => byte.toString(16).padStart(2, '0'))
    .join('')}_${port}`
