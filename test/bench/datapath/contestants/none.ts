// Nobody in between: clients know the servers. What everything else is measured by.

import type { Contestant } from '../contestant.ts'

export const none: Contestant = {
  title: 'no balancer',
  isBalancer: false,
  reaches: 'anywhere',
  needs: null,
  refuses: async () => null,
  start: async ({ servers }) => ({
    addresses: servers.map(({ address }) => address),
    order: null,
    checks: false,
    stop: async () => undefined,
  }),
}
