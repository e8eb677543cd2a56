// The vocabulary of the state machine: what a virtual router is, what can happen to it and what it wants done.

import type { Millis } from '../../core/time.ts'
import type { ProtocolVersion } from './advertisement.ts'

/** How often a master tells the network where its addresses are, in keepalived's words (`garp_master_…`). */
export type Announcements = {
  /** Copies when the addresses are added, and again after `delay`. */
  readonly repeat: number
  readonly delay: Millis
  /** Time between later announcements; null makes none. */
  readonly refresh: Millis | null
  readonly refreshRepeat: number
}

/** What the configuration says of one virtual router. */
export type Settings = {
  readonly name: string
  readonly version: ProtocolVersion
  /** The effective one, 1 to 255: what is configured and what tracking makes of it. 255 is the address owner. */
  readonly priority: number
  readonly interval: Millis
  readonly preempt: boolean
  /** How long a lower master is followed before it is preempted. */
  readonly preemptDelay: Millis
  readonly announcements: Announcements
}

/** The network interface: its own address, which is the source of all advertisements, or why it cannot be used. */
export type Link = { readonly up: true; readonly address: string } | { readonly up: false; readonly reason: string }

/** Waits for `started`; also where a shutdown ends (RFC 9568 section 6.4.1). */
export type Init = { readonly state: 'init' }

/** Listens to a master. */
export type Backup = {
  readonly state: 'backup'
  /** The master heard last; null while none was heard, or when it has said that it goes. */
  readonly master: string | null
  /** When a master was heard last, or listening began. */
  readonly heardAt: Millis
  /** The interval that the master announced. */
  readonly masterInterval: Millis
  readonly masterDownAt: Millis
  /** From when on a lower master is no longer followed; null while none was heard. */
  readonly preemptAt: Millis | null
  /**
   * It had the addresses until now, and no other master knows that yet: the one that is heard next has to announce them anew.
   */
  readonly owesWord: boolean
}

/** A master that was heard. */
export type Rival = { readonly from: string; readonly priority: number; readonly interval: Millis }

/** This router is in another group from now on: all addresses are new. `master`: who is heard as master there. */
export type Regrouping = { readonly master: Rival | null }

/** Announcements that are still to come. */
export type Announcement = { readonly at: Millis; readonly copies: number }

/** Holds the addresses, or adds them just now: until they are there `advertiseAt` is null and nothing is advertised. */
export type Master = {
  readonly state: 'master'
  /** The last moment at which the others surely knew of this master, or its beginning. */
  readonly provenAt: Millis
  /** When it last advertised or tried to. */
  readonly triedAt: Millis
  readonly advertiseAt: Millis | null
  /** It was leaving with the addresses before: these are there already. */
  readonly isStaying: boolean
  readonly renewedAt: Millis
  readonly announcedAt: Millis
  /** When a priority 0 was answered last. */
  readonly answeredAt: Millis | null
  /** The master that it took over from just now: what that one says once more is its last word. */
  readonly predecessor: string | null
  /** In order of time. */
  readonly announcements: readonly Announcement[]
}

/**
 * Has said with priority 0 that it goes. It keeps the addresses, and forwards for those who still come here, until another
 * master is heard or `endsAt` has passed: then it is what `next` says. `master` means that it stays if nobody comes.
 */
export type Leaving = {
  readonly state: 'leaving'
  readonly next: 'init' | 'backup' | 'fault' | 'master'
  readonly reason: string
  readonly since: Millis
  /** The priority that it advertised until then. */
  readonly advertised: number
  readonly endsAt: Millis
}

/** Takes no part until the link is up, `retryAt` has passed and nothing holds it. */
export type Fault = { readonly state: 'fault'; readonly isLinked: boolean; readonly retryAt: Millis | null }

/** What a router knows in every state. */
export type Common = {
  readonly settings: Settings
  /** The source address of its own advertisements. */
  readonly address: string
  /** Why it must not take part although its link is up: another member of its sync group cannot. */
  readonly held: string | null
  /** Why it must not take part by itself: something that it tracks fails, or an operator ordered it. */
  readonly failure: string | null
  /** Something that it tracks has not been looked at yet: a living master is followed, however low, until all has. */
  readonly isUnsure: boolean
  /** What its priority lacks for a reason that other hosts are likely to have too: what they said before says less then. */
  readonly sharedLoss: number
  /**
   * Another router took over because nothing that this one sends goes out: a living master is followed, however low, until
   * something does.
   */
  readonly isUnheard: boolean
  /** An operator handed the addresses over: a living master is followed, however low, until this one is needed again. */
  readonly standsBack: boolean
  /** The priority last heard from each other master; those that fell silent or said goodbye are forgotten. */
  readonly rivals: ReadonlyMap<string, number>
}

/** One virtual router on this host. */
export type VirtualRouter = Common & (Init | Backup | Master | Leaving | Fault)

/** A virtual router that is in a certain state. */
export type In<S extends VirtualRouter['state']> = VirtualRouter & { readonly state: S }

/** What can happen. */
export type Happening =
  /**
   * `resume`: the process before this one was master, and is not missed yet. `isLate`: it may be missed already, and its
   * addresses are still here. `standsBack`: it had handed over on an order.
   */
  | {
      readonly event: 'started'
      readonly resume: boolean
      readonly isLate?: boolean
      readonly standsBack?: boolean
      readonly link: Link
    }
  | { readonly event: 'deadline-reached' }
  | ({ readonly event: 'advertisement-received' } & Rival)
  /**
   * A master of the same addresses is configured otherwise (version, interval, virtual router, peers …): it does not hear what
   * this one says. `differs` is what there is to say of it.
   */
  | ({ readonly event: 'deaf-master-heard'; readonly differs: string; readonly isYieldedTo: boolean } & Rival)
  | { readonly event: 'advertisement-sent' }
  | { readonly event: 'advertisement-failed' }
  | { readonly event: 'addresses-added' }
  | { readonly event: 'addresses-failed'; readonly reason: string }
  | { readonly event: 'address-lost'; readonly address: string }
  | { readonly event: 'link-changed'; readonly link: Link }
  | { readonly event: 'hold-changed'; readonly reason: string | null }
  /**
   * What is tracked gives another effective priority, or a reason to take no part. `isPlanned`: there is time to hand over.
   * `isUnsure`: not all of it is known yet. `sharedLoss`: what is missing of it, likely on other hosts too.
   */
  | {
      readonly event: 'standing-changed'
      readonly priority: number
      readonly fault: string | null
      readonly isPlanned: boolean
      readonly isUnsure?: boolean
      readonly sharedLoss?: number
    }
  /** An operator wants another router to be master, and this one to leave it so. */
  | { readonly event: 'handover-ordered' }
  /** An operator takes that back. */
  | { readonly event: 'handover-revoked' }
  /** The sync group moves, and this member with it. */
  | { readonly event: 'group-moved'; readonly to: 'master' | 'backup'; readonly reason: string }
  | { readonly event: 'reconfigured'; readonly settings: Settings; readonly regrouping?: Regrouping | undefined }
  | { readonly event: 'shutdown-requested' }

/** A past fact. `at` is the monotonic time at which it was learned. */
export type Event = Happening & { readonly at: Millis }

/** Something to do, in the order given. `lease` is in seconds. */
export type Effect =
  /** Add all addresses and answer with `addresses-added` or `addresses-failed`. */
  | { readonly effect: 'add-addresses'; readonly lease: number }
  /** Prolong all addresses; only a failure is answered. */
  | { readonly effect: 'renew-addresses'; readonly lease: number }
  | { readonly effect: 'remove-addresses' }
  /** Keep the addresses, but answer nobody who asks where they are, until they are added or removed. */
  | { readonly effect: 'hide-addresses' }
  /** Tell the network where every address is, `copies` times. */
  | { readonly effect: 'announce-addresses'; readonly copies: number }
  /** Send it and answer with `advertisement-sent`, or with `advertisement-failed` if it did not go out. */
  | { readonly effect: 'send-advertisement'; readonly priority: number }
  | { readonly effect: 'report-transition'; readonly text: string; readonly reason: string }
  /** May repeat at the rate of advertisements; `about` says which of them are alike. */
  | { readonly effect: 'report-notice'; readonly about: Notice; readonly text: string }

/** What a notice is about. `contention`: another master was heard and contradicted. */
export type Notice =
  | 'timeout'
  | 'lower-discarded'
  | 'yielding'
  | 'contention'
  | 'two-owners'
  | 'conflict'
  | 'address-lost'
  | 'priority'
  | 'hand-over'

/** The router after an event, and what is to be done about it. */
export type Step = readonly [VirtualRouter, readonly Effect[]]
