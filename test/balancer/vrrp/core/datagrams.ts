// The advertisement of keepalived that the golden vectors are made of, how it arrives, and who expects it.

import { millis } from '../../../../balancer/core/time.ts'
import type { Advertisement, Wire } from '../../../../balancer/vrrp/core/advertisement.ts'
import type { Datagram } from '../../../../balancer/vrrp/core/datagram.ts'
import type { Expectation } from '../../../../balancer/vrrp/core/reception.ts'

export const source = '192.0.2.251'
export const own: Advertisement = {
  version: 2,
  virtualRouterId: 51,
  priority: 100,
  interval: millis(1000),
  addresses: ['192.0.2.1'],
}
export const wire: Wire = { source, destination: '224.0.0.18', password: null, pseudoHeader: true }
export const expected: Expectation = { ...own, family: 'ipv4', own: '192.0.2.252', password: null, peers: null }

/** The datagram as it would arrive. */
export const arrived = (
  payload: Uint8Array,
  { source: from, destination }: Pick<Wire, 'source' | 'destination'>,
): Datagram => ({ source: from, destination, isFar: false, isOnLink: true, payload })
