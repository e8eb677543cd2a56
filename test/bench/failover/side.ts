// What is compared: a side is a way to hold one address in front of the databases, started alike on two hosts.

import type { Host } from '../../lab/host.ts'

/** The two sides, in the order of the table. */
export const sideNames = ['keepalived', 'balancer'] as const
export type SideName = (typeof sideNames)[number]

/** A script that the router runs, and whose failing lowers its priority. Durations in milliseconds. */
export type TrackedScript = { readonly command: string; readonly interval: number; readonly weight: number }

/** What one router is started with; the same for both sides. VRRP version 3, virtual router 51. */
export type RouterOptions = {
  readonly host: Host
  readonly priority: number
  /** The advertisement interval in milliseconds. */
  readonly interval: number
  readonly preempt: boolean
  readonly script: TrackedScript | null
  /** Of the first server; 1 unless given. */
  readonly weight?: number
}

/** One load-balancer host at work. */
export type Router = {
  readonly host: Host
  /** Whether it is backup and has heard a master. */
  readonly isBackup: () => Promise<boolean>
  /** SIGTERM to the process that an operator's stop command reaches. */
  readonly stop: () => void
  /** SIGKILL to the process that sends the advertisements, and to nothing else. */
  readonly killVrrp: () => void
  /** Whether it knows every server to be up. */
  readonly knowsServers: () => Promise<boolean>
  /** Applies a configuration in which a server has another weight. */
  readonly reload: () => Promise<void>
  /** Puts another program in place and has it go on with the work of this one. */
  readonly upgrade: () => Promise<void>
  /** A server takes no new sessions any more, or does again. */
  readonly order: (server: Host, state: 'drain' | 'ready') => Promise<void>
  /** What its programs said last. */
  readonly lastWords: () => string
}

/** A way to run a load balancer. `refuses` says why a configuration is not understood, or null. */
export type Side = {
  readonly name: SideName
  readonly title: string
  readonly refuses: (options: RouterOptions) => Promise<string | null>
  /** Starts the programs; the router may not have found its state yet. */
  readonly start: (options: RouterOptions) => Promise<Router>
}

/** The last lines of a program, under its name. */
export const wordsOf = ({ name, lines }: { readonly name: string; readonly lines: () => readonly string[] }): string =>
  `${name}:\n${lines().slice(-toldLines).join('\n')}`

const toldLines = 12
