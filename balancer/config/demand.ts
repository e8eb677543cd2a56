// What a configuration may ask of its host and of its servers beyond what they give: warnings, no errors.

import { endpointText } from '../core/endpoint.ts'
import type { Datapath } from '../core/forwarders.ts'
import { filesBeside, type HostLimits } from '../core/shortage.ts'
import type { ListenerConfig } from './schema.ts'

/** Of each of `max_connections` sessions two sockets, and a third of a client that waits in a queue of the same length. */
const filesPerSession = 3

/** What `max_connections` of the listeners needs and these limits do not give. */
export const demandWarnings = (listeners: readonly ListenerConfig[], limits: HostLimits): readonly string[] => {
  const of = (wanted: Datapath) => listeners.filter(({ datapath }) => datapath === wanted)
  const [proxied, translated] = [of('userspace'), of('kernel')]
  return [
    ...descriptorWarnings(proxied, limits),
    ...portWarnings(proxied, limits),
    ...trackingWarnings(translated, limits),
    ...translationWarnings(translated),
  ]
}

/** Each session of the kernel datapath is one tracked connection, beside all that other programs have. */
const trackingWarnings = (
  listeners: readonly ListenerConfig[],
  { trackedConnections }: HostLimits,
): readonly string[] => {
  const wanted = listeners.reduce((sum, { max_connections }) => sum + max_connections, 0)
  if (trackedConnections === null || wanted <= trackedConnections.most) return []
  return [
    `max_connections of the listeners with datapath: kernel allows ${wanted} sessions together, and this host tracks ${trackedConnections.most} connections: new ones beyond that are dropped; set net.netfilter.nf_conntrack_max = ${wanted * 2} (about ${Math.ceil((wanted * 2 * bytesPerEntry) / 1_000_000)} MB), or lower max_connections`,
  ]
}

/** struct nf_conn with its extensions. */
const bytesPerEntry = 400
/** Ports that the translation of source addresses takes for ports above 1023: 1024 to 65535 (nf_nat_l4proto_unique_tuple). */
const portsOfTranslation = 64_512

const translationWarnings = (listeners: readonly ListenerConfig[]): readonly string[] => {
  const wanted = new Map<string, number>()
  for (const { bind, servers, max_connections: most } of listeners) {
    for (const virtual of new Set(bind.map(({ address }) => address))) {
      for (const { address, max_connections: own } of servers) {
        const key = `${endpointText(address)} from ${virtual}`
        wanted.set(key, (wanted.get(key) ?? 0) + Math.min(most, own === 0 ? most : own))
      }
    }
  }
  return [...wanted]
    .filter(([, sessions]) => sessions > portsOfTranslation)
    .map(
      ([name, sessions]) =>
        `max_connections allows ${sessions} sessions to ${name}, and the kernel has ${portsOfTranslation} ports for them: more are dropped; set max_connections of the server to ${portsOfTranslation} or less, or bind another virtual address as well`,
    )
}

const descriptorWarnings = (listeners: readonly ListenerConfig[], { descriptors }: HostLimits): readonly string[] => {
  const wanted = listeners.reduce((sum, { max_connections }) => sum + max_connections * filesPerSession, filesBeside)
  if (listeners.length === 0 || wanted <= descriptors) return []
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
