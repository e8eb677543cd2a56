// The vocabulary of the state machine: what a virtual router is, what can happen to it and what it wants done.

import type { Millis } from '../../core/time.ts'
import type { ProtocolVersion } from './advertisement.ts'

/** What the configuration says of one virtual router. */
export type Settings = {
  readonly name: string
  readonly version: ProtocolVersion
  /** 1 to 255; 255 is the address owner. */
  readonly priority: number
  readonly interval: Millis
  readonly preempt: boolean
}

/** The network interface: its primary address, which is the source of all advertisements, or why it cannot be used. */
export type Link = { readonly up: true; readonly address: string } | { readonly up: false; readonly reason: string }

/** Waits for `started`; also where a shutdown ends (RFC 9568 section 6.4.1). */
export type Init = { readonly state: 'init' }

/** Listens to a master. `masterInterval` is the interval that master announced. */
export type Backup = { readonly state: 'backup'; readonly masterInterval: Millis; readonly masterDownAt: Millis }

/** Holds the addresses, or adds them just now: until they are there `advertiseAt` is null and nothing is advertised. */
export type Master = {
  readonly state: 'master'
  /** The last moment at which the others surely knew of this master, or its beginning. */
  readonly provenAt: Millis
  readonly advertiseAt: Millis | null
  readonly renewedAt: Millis
  readonly announcedAt: Millis
  /** Moments of the announcements still to come, in order. */
  readonly announceAt: readonly Millis[]
}

/** Takes no part. With `retryAt` it tries again by itself, without it waits for the link. */
export type Fault = { readonly state: 'fault'; readonly retryAt: Millis | null }

/** One virtual router on this host. `address` is the source address of its own advertisements. */
export type VirtualRouter = { readonly settings: Settings; readonly address: string } & (Init | Backup | Master | Fault)

/** A virtual router that is in a certain state. */
export type In<S extends VirtualRouter['state']> = VirtualRouter & { readonly state: S }

/** A past fact. `at` is the monotonic time at which it was learned. */
export type Event = { readonly at: Millis } & (
  | { readonly event: 'started'; readonly resume: boolean; readonly link: Link }
  | { readonly event: 'deadline-reached' }
  | {
      readonly event: 'advertisement-received'
      readonly from: string
      readonly priority: number
      readonly interval: Millis
    }
  | { readonly event: 'advertisement-sent' }
  | { readonly event: 'addresses-added' }
  | { readonly event: 'addresses-failed'; readonly reason: string }
  | { readonly event: 'address-lost'; readonly address: string }
  | { readonly event: 'link-changed'; readonly link: Link }
  | { readonly event: 'shutdown-requested' }
)

/** Something to do, in the order given. `lease` is in seconds. */
export type Effect =
  /** Add all addresses and answer with `addresses-added` or `addresses-failed`. */
  | { readonly effect: 'add-addresses'; readonly lease: number }
  /** Prolong all addresses; only a failure is answered. */
  | { readonly effect: 'renew-addresses'; readonly lease: number }
  | { readonly effect: 'remove-addresses' }
  /** Broadcast a gratuitous ARP for every address, `copies` times. */
  | { readonly effect: 'announce-addresses'; readonly copies: number }
  /** Send it and, if it went out, answer with `advertisement-sent`. */
  | { readonly effect: 'send-advertisement'; readonly priority: number }
  | { readonly effect: 'report-transition'; readonly text: string; readonly reason: string }
  /** May repeat at the rate of advertisements; `about` says which of them are alike. */
  | { readonly effect: 'report-notice'; readonly about: Notice; readonly text: string }

/** What a notice is about. */
export type Notice = 'timeout' | 'lower-discarded' | 'yielding' | 'contention' | 'address-lost'

/** The router after an event, and what is to be done about it. */
export type Step = readonly [VirtualRouter, readonly Effect[]]
