// What the rules of the kernel are made of: listeners with their servers, and what of earlier rules live sessions still need.

import type { Endpoint } from '../../../core/endpoint.ts'
import type { Millis } from '../../../core/time.ts'
import type { Access } from '../../rules/core/access.ts'
import type { TimeoutPolicy } from '../../rules/core/table.ts'

/** A configured server of a listener. */
export type KernelServer = Endpoint & { readonly name: string }

/** A server that new sessions may go to. One that has left, drains or is a spare is none. */
export type KernelTarget = {
  /** The name of one of the listener's servers. */
  readonly server: string
  /** More than 0; need not be whole, as in slow start or for leastconn, whose weights the caller makes. */
  readonly weight: number
  /** HAProxy: maxconn of a server; 0 = no limit. What comes beyond it is reset. */
  readonly maximumSessions: number
  /** Whether it has that many sessions now: new ones go to the others meanwhile. */
  readonly isFull: boolean
}

/**
 * The highest limit that the kernel itself watches, to the session. It looks at all sessions of a limit in every jiffy
 * with a new one: 0.06 ms per 1,000 of them. Higher limits hold as exactly as the caller counts.
 */
export const mostCountedSessions = 4096

/** What ends a session that says nothing. The kernel counts whole seconds: they are rounded up. */
export type KernelTimeouts = {
  /** Until a server answers (balancer.yaml: timeouts.connect). */
  readonly connect: Millis
  /** Without a packet in either direction: the shorter of timeouts.client and timeouts.server. */
  readonly idle: Millis
}

/** A listener with `datapath: kernel`. Binds, servers and access lists are of one family. */
export type KernelListener = {
  readonly name: string
  /** 0.0.0.0 and :: stand for every address of this host but the loopback ones. */
  readonly binds: readonly Endpoint[]
  readonly balance: 'roundrobin' | 'leastconn' | 'source' | 'first' | 'random' | 'single'
  /** All that are configured, at most 16,383, in the order of the configuration. */
  readonly servers: readonly KernelServer[]
  /** In the order of the configuration. Without one a client is reset at once. */
  readonly targets: readonly KernelTarget[]
  /** HAProxy: maxconn of a frontend; 0 = no limit. What is beyond it is reset. */
  readonly maximumSessions: number
  /** Whether it has that many sessions now: new ones are reset. Limits above `mostCountedSessions` rely on it alone. */
  readonly isFull: boolean
  /** Without a target because another one may still have sessions: a client is not reset, and asks again a second later. */
  readonly isHandingOver: boolean
  readonly access: Access
  readonly timeouts: KernelTimeouts
}

/** Which ct mark is which server's: a key of `numberKey` -> the mark. */
export type Numbering = ReadonlyMap<string, number>

/** All that the rules follow from. */
export type KernelRules = {
  readonly listeners: readonly KernelListener[]
  /**
   * The addresses that move between hosts, whoever moves them: while another host holds one, its traffic is none of this
   * host's. An address that is not among them must be this host's own, for good.
   */
  readonly virtualAddresses: readonly string[]
  /** Whether answers of servers are counted on their way too (path-witness.ts): for a while, as every packet pays for it. */
  readonly isPathWatched?: boolean
  /** From `assignNumbers`: every server of the listeners, and those whose sessions are still counted. */
  readonly numbering: Numbering
  /**
   * Timeouts that no listener has any more, and live sessions still do: `timeoutsOf` what is there. A session whose policy is
   * deleted falls back to the kernel's 5 days.
   */
  readonly keptTimeouts: readonly TimeoutPolicy[]
}
