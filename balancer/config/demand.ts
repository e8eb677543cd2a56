// What a configuration may ask of its host and of its servers beyond what they give: warnings, no errors.

import { filesBeside, type HostLimits } from '../core/shortage.ts'
import type { ListenerConfig } from './schema.ts'
import { endpointText } from './values.ts'

/** Of each of `max_connections` sessions two sockets, and a third of a client that waits in a queue of the same length. */
const filesPerSession = 3

/** What `max_connections` of the listeners needs and these limits do not give. */
export const demandWarnings = (listeners: readonly ListenerConfig[], limits: HostLimits): readonly string[] => [
  ...descriptorWarnings(listeners, limits),
  ...portWarnings(listeners, limits),
]

const descriptorWarnings = (listeners: readonly ListenerConfig[], { descriptors }: HostLimits): readonly string[] => {
  const wanted = listeners.reduce((sum, { max_connections }) => sum + max_connections * filesPerSession, filesBeside)
  if (wanted <= descriptors) return []
  return [
    `max_connections of all listeners together may need ${wanted} open files (a session has two, and as many clients may wait in the queue with one each), and a process started here may have ${descriptors}: clients beyond that are refused; set LimitNOFILE=${wanted} in the unit (ulimit -n in a shell), or lower max_connections`,
  ]
}

const portWarnings = (listeners: readonly ListenerConfig[], { ports, portRange }: HostLimits): readonly string[] => {
  const wanted = new Map<string, number>()
  for (const { servers, max_connections: most } of listeners) {
    const endpoints = new Map<string, number>()
    for (const { address, max_connections: own } of servers) {
      const name = endpointText(address)
      endpoints.set(name, Math.min(most, (endpoints.get(name) ?? 0) + (own === 0 ? most : own)))
    }
    for (const [name, sessions] of endpoints) wanted.set(name, (wanted.get(name) ?? 0) + sessions)
  }
  return [...wanted]
    .filter(([, sessions]) => sessions > ports)
    .map(
      ([name, sessions]) =>
        `max_connections allows ${sessions} sessions to ${name} where it is the last server, and this host has ${ports} local ports towards one address and port (net.ipv4.ip_local_port_range = ${portRange}); set that wider, or max_connections of the listener or the server lower`,
    )
}

const secondsOf = (milliseconds: number): number => Math.round(milliseconds / 1000)
/** The server's default of max_connect_errors. */
const errorsAllowed = 100

/** What checks cost a server that counts broken logins. */
export const checkWarnings = (listeners: readonly ListenerConfig[]): readonly string[] =>
  listeners.flatMap(({ name, check }) =>
    check
      .filter((one) => one.type === 'mysql' && one.user === undefined)
      .map(
        ({ interval }) =>
          `a check of type mysql without a user is a login that breaks off: a server with max_connect_errors = ${errorsAllowed} (the default) blocks this host after ${secondsOf(interval * errorsAllowed)} s without a good login from it (error 1129); give the check of ${name} a user and a password_file, use type http or tcp, or set host_cache_size = 0 on the servers`,
      ),
  )
