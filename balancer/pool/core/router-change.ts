// The line for a virtual router that changed its state, in keepalived's words.

import type { VirtualRouterFact } from './facts.ts'
import type { ChangeLine } from './server-change.ts'

/** The change that a router's fact tells after `earlier`; undefined when its state is the same. */
export const describeRouter = (
  earlier: VirtualRouterFact | undefined,
  { name, state, addresses }: VirtualRouterFact,
): ChangeLine | undefined =>
  earlier?.state === state
    ? undefined
    : {
        level: state === 'fault' ? 'error' : 'info',
        text: `(${name}) Entering ${state.toUpperCase()} STATE`,
        fields: { instance: name, state, addresses },
      }
