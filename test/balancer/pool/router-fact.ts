// A virtual router as its process tells of it.

import { millis } from '../../../balancer/core/time.ts'
import type { VirtualRouterFact } from '../../../balancer/pool/core/facts.ts'

/** The master of an instance, in the plainest case, with what a test changes of it. */
export const routerFact = (changes: Partial<VirtualRouterFact> = {}): VirtualRouterFact => ({
  fact: 'virtual-router',
  name: 'VI_1',
  interface: 'eth0',
  family: 'ipv4',
  virtualRouterId: 51,
  version: 3,
  state: 'master',
  since: 1_700_000_000_000,
  reason: '',
  handingOver: false,
  standsBack: false,
  inMaintenance: false,
  hasBegun: true,
  syncGroup: null,
  source: null,
  peers: null,
  priority: 100,
  priorityParts: [],
  advertisementInterval: millis(100),
  addresses: ['198.18.0.100'],
  routes: [],
  lastAdvertisement: null,
  otherMasters: { count: 0, last: null },
  conflicts: { count: 0, last: null },
  transitions: 1,
  sent: 3,
  received: 0,
  dropped: {},
  ...changes,
})
