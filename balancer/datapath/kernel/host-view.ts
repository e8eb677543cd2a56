// This host and the listeners, as far as forwarding depends on them.

import type { ListenerConfig } from '../../config/schema.ts'
import { readHostNetwork } from '../../os/host-network.ts'
import { readHostRoutes } from '../../os/host-routes.ts'
import type { HostView } from '../core/host-view.ts'
import type { ForwardedListener } from './core/forwarding.ts'

/** Interfaces, addresses and routes as they are now. `places` are those of virtual addresses, here or not. */
export const readHostView = (places: HostView['places']): HostView => ({
  places,
  addresses: readHostNetwork()?.addresses ?? [],
  routes: readHostRoutes(),
})

/** The listeners that the kernel forwards. */
export const forwardedListeners = (listeners: readonly ListenerConfig[]): readonly ForwardedListener[] =>
  listeners
    .filter(({ datapath }) => datapath === 'kernel')
    .map(({ bind, servers }) => ({ binds: bind, servers: servers.map(({ address }) => address) }))
