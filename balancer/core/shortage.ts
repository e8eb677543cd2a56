// What this host itself can run out of while it connects: never the fault of the server it connects to.

/** What ran out: ports towards one server, files of this process or of the whole host, memory, connections tracked. */
export const shortages = ['ports', 'descriptors', 'system-descriptors', 'memory', 'connection-tracking'] as const
export type Shortage = (typeof shortages)[number]

/** How a client ended, or why a check says nothing, for want of something on this host (HAProxy: end state `R`). */
export type ShortageReason = `out-of-${Shortage}`

/** What the system's error `code` of connect(2), accept(2) or sendto(2) means that this host ran out of. */
export const shortageOf = (code: string): Shortage | undefined => {
  switch (code) {
    case 'EADDRNOTAVAIL':
    case 'EADDRINUSE':
    case 'EAGAIN':
      return 'ports'
    case 'EMFILE':
      return 'descriptors'
    case 'ENFILE':
      return 'system-descriptors'
    case 'ENOBUFS':
    case 'ENOMEM':
      return 'memory'
    default:
      return undefined
  }
}

/**
 * Whether connect(2) was refused by this host's own routes or packet filter. The server cannot be used from here all the
 * same, and a peer that has a way to it should have the address: such a check counts, and a session's failure does not.
 */
export const isBarred = (code: string): boolean => ['EPERM', 'EACCES', 'EINVAL', 'ENETUNREACH'].includes(code)

/** Why a client or a check got nothing. */
export const shortageReason = (shortage: Shortage): ShortageReason => `out-of-${shortage}`

/** How much this host has. `ports` are those towards one address and port; null where it is not known. */
export type HostLimits = {
  readonly ports: number
  readonly portRange: string
  readonly descriptors: number
  readonly systemDescriptors: number | null
  readonly trackedConnections: { readonly count: number; readonly most: number } | null
}

/** A sentence for the operator: what ran out, how much there is, and what to set. */
export const shortageText = (shortage: Shortage, limits: HostLimits): string => {
  switch (shortage) {
    case 'ports':
      return `out of local ports: this host has ${limits.ports} towards one address and port (net.ipv4.ip_local_port_range = ${limits.portRange}), and one stays taken for 60 s after a session whose client left without a goodbye; set net.ipv4.tcp_tw_reuse = 1, which makes that 1 s, and net.ipv4.ip_local_port_range = 1024 65535`
    case 'descriptors':
      return `out of file descriptors: this process may have ${limits.descriptors} open; set LimitNOFILE in the unit (ulimit -n in a shell) higher, or max_connections lower`
    case 'system-descriptors':
      return `out of file descriptors: all programs of this host together may have ${limits.systemDescriptors ?? 'no more'} open; set fs.file-max higher`
    case 'memory':
      return 'the kernel has no memory for one more connection; look at net.ipv4.tcp_mem, MemoryMax of the unit and the memory of this host'
    case 'connection-tracking': {
      const { count, most } = limits.trackedConnections ?? { count: '?', most: '?' }
      return `the connection tracking of this host is full: ${count} of ${most}, and new connections are dropped; set net.netfilter.nf_conntrack_max higher, or do not track these connections (notrack)`
    }
    default:
      return shortage satisfies never
  }
}

/** Files that a process has open beside the sockets of its sessions: a few dozen, and room for what is opened now and then. */
export const filesBeside = 100
