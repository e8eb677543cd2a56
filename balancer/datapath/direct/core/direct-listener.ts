// What the rules of the direct datapath follow from: listeners with their servers, and this host.

import type { Endpoint } from '../../../core/endpoint.ts'
import type { Millis } from '../../../core/time.ts'
import type { SlotTable } from '../../../pool/core/slot-table.ts'
import type { Access } from '../../rules/core/access.ts'

/** How frames come to a server: it is this host, or a host on the link of a device. `mac` is as in 02:00:00:00:00:0b. */
export type ServerPath =
  | { readonly kind: 'here' }
  | { readonly kind: 'link'; readonly device: string; readonly mac: string }

/** A server that may have sessions. `number`: from 1 to 16,383, of its own in its listener. `path`: null while it is not known. */
export type DirectServer = Endpoint & {
  readonly name: string
  readonly number: number
  readonly path: ServerPath | null
}

/** A listener with `datapath: direct`. Its binds may be of both families: frames reach a server by its MAC address. */
export type DirectListener = {
  readonly name: string
  readonly binds: readonly Endpoint[]
  /** What it served until a while ago: whose session there has ended hears it, and all else is whoever's has it now. Default: none. */
  readonly former?: readonly Endpoint[]
  /** All that may have sessions, departed ones too; of two with one name the first one takes the new ones. */
  readonly servers: readonly DirectServer[]
  /** Who takes new sessions. */
  readonly table: SlotTable
  /**
   * Who has the sessions that this host does not know, as those of a balancer that died: the table as it was then. Default:
   * `table`.
   */
  readonly established?: SlotTable
  /** Whether new sessions begin; `later`: nobody answers them, and their clients ask again; `none`: they are refused. */
  readonly admits: 'all' | 'later' | 'none'
  /** Prefixes of both families; who is on no list that holds anything is not allowed. */
  readonly access: Access
  readonly timeouts: {
    /** What a session that has only just begun is remembered for; 10 s at least. */
    readonly connect: Millis
    /** What a session is remembered for after its client's last packet. */
    readonly idle: Millis
  }
}

/** This host. */
export type DirectHost = {
  /** Where clients come in and servers are, each with its own MAC address. All of them exist. */
  readonly devices: readonly { readonly name: string; readonly mac: string }[]
  /** MAC addresses of the other balancers. */
  readonly balancers: readonly string[]
  /** Sessions that are remembered for a bind; those beyond it go by the table. Default: 262,144. */
  readonly mostSessions?: number
}
