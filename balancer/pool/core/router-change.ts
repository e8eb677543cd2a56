// The lines for a virtual router that changed its state, in keepalived's words, and for one that had an order.

import type { VirtualRouterFact } from './facts.ts'
import type { ChangeLine } from './server-change.ts'

/** The change that a router's fact tells after `earlier`; undefined when its state is the same. */
export const describeRouter = (
  earlier: VirtualRouterFact | undefined,
  { name, state, reason, addresses }: VirtualRouterFact,
): ChangeLine | undefined =>
  earlier?.state === state
    ? undefined
    : {
        level: state === 'fault' ? 'error' : 'info',
        text: `(${name}) Entering ${state.toUpperCase()} STATE`,
        fields: { instance: name, state, reason, addresses },
      }

/** What to note when somebody ordered something of an instance. */
export const describeRouterOrdered = (instance: string, order: string, by: string): ChangeLine => ({
  level: 'warn',
  text: `VRRP instance ${instance}: ${by} ordered ${order}`,
  fields: { instance, by, order },
})
