// Exceptions and tables for tests of what balancers tell each other.

import { millis } from '../../../../balancer/core/time.ts'
import type { PeerTable } from '../../../../balancer/peers/core/messages.ts'
import type { SessionException } from '../../../../balancer/pool/core/session-exception.ts'

export const bind = '198.18.0.100:3306'

/** Exception number `i`, of a client that was heard just now and has an hour. */
export const exception = (i: number, change: Partial<SessionException> = {}): SessionException => ({
  listener: 'mysql',
  bind,
  client: `10.${(i >> 16) & 255}.${(i >> 8) & 255}.${i & 255}:${1024 + (i % 60_000)}`,
  server: 'db2',
  idle: millis(0),
  timeout: millis(3_600_000),
  ...change,
})

export const exceptions = (count: number): readonly SessionException[] =>
  Array.from({ length: count }, (_, i) => exception(i))

/** Slots of a listener that gives new sessions to these servers. */
export const table = (
  listener: string,
  targets: readonly string[],
  { servers = ['db1', 'db2'], ...change }: Partial<PeerTable['table']> & { readonly servers?: readonly string[] } = {},
): PeerTable => ({
  table: {
    ...{ listener, hash: 'session', seed: 7, slotCount: 256 },
    targets: targets.map((server) => ({ server, weight: 1 })),
    ...change,
  },
  servers,
})
