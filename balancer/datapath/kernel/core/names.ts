// What the things in our table are called: by the kind, then by the listener. nft takes letters, digits and / - _ . only.

import type { IpVersion } from '../../rules/core/ip-version.ts'
import type { KernelTimeouts } from './kernel-listener.ts'
import { markText } from './marks.ts'

/** The table of this datapath, and of none other. */
export const tableName = 'balancer'

/** Why a client was not given a server; each listener counts them apart. */
export const refusalReasons = ['denied', 'rate', 'source-rate', 'full', 'server-full', 'no-server'] as const
export type RefusalReason = (typeof refusalReasons)[number]

/** The counter of a reason of a listener. */
export const refusalCounter = (reason: RefusalReason, listener: string): string => named(reason, listener)

/** The counter of packets that got no reset because their sessions may still be on their way here. */
export const settlingCounter = 'settling'

export const listenerChain = (listener: string): string => named('listener', listener)
export const limitChain = (listener: string): string => named('limit', listener)
export const pickChain = (listener: string): string => named('pick', listener)
export const slotMap = (listener: string): string => named('slots', listener)
export const sourceSet = (listener: string): string => named('sources', listener)

/** The chain that counts the sessions of a server with a limit. */
export const serverLimitChain = (mark: number): string => `server-limit/${markText(mark)}`

/** An access list is named by what it holds: another one never takes its name. */
export const accessSet = (kind: 'allow' | 'deny', listener: string, content: string): string =>
  `${named(kind, listener)}/${content}`

/** A policy is named by what it says: listeners share it, and another one never takes its name. */
export const timeoutName = ({ protocol }: IpVersion, timeouts: KernelTimeouts): string =>
  `timeout/${protocol}/${secondsOf(timeouts.connect)}/${secondsOf(timeouts.idle)}`

/** Whole seconds, at least one: conntrack takes no less. */
export const secondsOf = (duration: number): number => Math.max(1, Math.ceil(duration / 1000))

/** Names of listeners hold no slash, so that a colon can become one. */
const named = (kind: string, listener: string): string => `${kind}/${listener.replaceAll(':', '/')}`
