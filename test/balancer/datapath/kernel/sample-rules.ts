// Listeners and rules for tests, with what a test does not care about filled in.

import { millis } from '../../../../balancer/core/time.ts'
import type {
  KernelListener,
  KernelRules,
  KernelTarget,
  Numbering,
} from '../../../../balancer/datapath/kernel/core/kernel-listener.ts'
import { assignNumbers } from '../../../../balancer/datapath/kernel/core/marks.ts'
import type { TimeoutPolicy } from '../../../../balancer/datapath/rules/core/table.ts'

/** A target that takes its share. */
export const target = (server: string, weight = 1, more: Partial<KernelTarget> = {}): KernelTarget => ({
  server,
  weight,
  maximumSessions: 0,
  isFull: false,
  ...more,
})

/** The listener of the reference: two servers behind one address. */
export const listener = (changes: Partial<KernelListener> = {}): KernelListener => ({
  name: 'mysql',
  binds: [{ address: '198.18.6.173', port: 3366 }],
  balance: 'roundrobin',
  servers: [
    { name: 'db1', address: '198.18.6.11', port: 3306 },
    { name: 'db2', address: '198.18.6.12', port: 3306 },
  ],
  targets: [target('db1'), target('db2')],
  maximumSessions: 0,
  isFull: false,
  isHandingOver: false,
  access: { allow: [], deny: [], connectionRate: 0, connectionRatePerSource: 0 },
  timeouts: { connect: millis(5000), idle: millis(28_800_000) },
  ...changes,
})

/** Rules of these listeners, with numbers for their servers. */
export const rules = (
  listeners: readonly KernelListener[],
  before: Numbering = new Map(),
  keptTimeouts: readonly TimeoutPolicy[] = [],
): KernelRules => ({
  listeners,
  virtualAddresses: listeners.flatMap(({ binds }) => binds.map(({ address }) => address)),
  numbering: assignNumbers(
    listeners.flatMap(({ name, servers }) => servers.map((server) => ({ listener: name, server: server.name }))),
    before,
    () => false,
  ),
  keptTimeouts,
})
