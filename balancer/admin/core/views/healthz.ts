// Whether this host serves, in a word, for whoever sends clients here by other means than VRRP: an ECMP router, a cloud's
// load balancer, a monitoring system.

import type { Status } from '../model/status.ts'

/** `ok` while nothing speaks against sending clients here; `lines` say what does. */
export type Healthz = { readonly ok: boolean; readonly lines: readonly string[] }

/**
 * Against it speaks a VRRP instance in FAULT, a listener without a server that takes sessions, and one that cannot forward
 * although its address is here. A host that stands by is well.
 */
export const healthzOf = ({ vrrp, listeners }: Status): Healthz => {
  const faults = vrrp
    .filter(({ state }) => state === 'fault')
    .map(({ name, reason }) => `VRRP instance ${name} is in FAULT: ${reason ?? 'no reason is known'}`)
  const isMaster = vrrp.some(({ state }) => state === 'master')
  const closed = listeners.flatMap(({ name, binds }) =>
    binds
      .filter(({ open }) => !open && (isMaster || vrrp.length === 0))
      .map(({ address, why }) => `Listener ${name} is not open on ${address}: ${why ?? 'no reason is known'}`),
  )
  const empty = listeners
    .filter(({ servers }) => !servers.some(({ takes_sessions: takes }) => takes))
    .map(({ name }) => `Listener ${name} has no server that takes sessions`)
  const lines = [...faults, ...closed, ...empty]
  return { ok: lines.length === 0, lines }
}
