// What a test and the process that ends sessions in its lab say to each other.

import type { Endpoint } from '../../../../balancer/core/endpoint.ts'
import type { DirectHost, DirectListener } from '../../../../balancer/datapath/direct/core/direct-table.ts'
import type { ClientToEnd } from '../../../../balancer/datapath/direct/core/ends-at.ts'

/** What is asked; each is answered by `EndingsTold`. `ago`: sessions that began so many milliseconds ago or earlier. */
export type EndingsOrder =
  | { readonly do: 'rules'; readonly listeners: readonly DirectListener[]; readonly host: DirectHost }
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
