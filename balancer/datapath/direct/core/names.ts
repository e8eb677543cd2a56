// What the things in our table are called: by the kind, then by the listener or by the bind.

import { addressBytes } from '../../../core/ip-address.ts'
import type { IpVersion } from '../../rules/core/ip-version.ts'

/** The table of this datapath, of the family netdev. */
export const tableName = 'balancer'

/** An address as hexadecimal digits. */
const hexOf = (address: string): string =>
  addressBytes(address)
    .map((byte) => byte.toString(16).padStart(2, '0'))
    .join('')

/** A bind as a part of names. */
export const bindKey = (address: string, port: number): string => `${hexOf(address)}_${port}`

/** The map of the sessions of a bind: from the client to the number of its server. */
export const flowsName = (address: string, port: number): string => `flows_${bindKey(address, port)}`

/** The set of the first four bytes of IPv6 clients, which the maps of sessions leave out. */
export const prefixesName = 'prefixes6'

/** Whether what comes and goes in a set is no change of the rules. */
export const isFilledByTraffic = (set: string): boolean => set.startsWith('flows_') || set === prefixesName

/** What clients of a listener met that did not come through. `held` are the SYNs that nobody answered, `ended` resets. */
export const turnedAway = ['denied', 'rate', 'source-rate', 'no-server', 'held', 'ended', 'no-path'] as const
export type TurnedAway = (typeof turnedAway)[number]

/** The counter of packets that were turned away for a reason. */
export const refusalCounter = (reason: TurnedAway, listener: string): string => named(reason, listener)

/** The counter of what clients sent to a server. */
export const serverCounter = (listener: string, number: number): string => `${named('server', listener)}/${number}`

/** The map of these counters; its comments tell which number is which server's. */
export const countersMap = (listener: string): string => named('counters', listener)

export const slotMap = (listener: string): string => named('slots', listener)
export const establishedMap = (listener: string): string => named('established', listener)
export const outChain = (listener: string): string => named('out', listener)
/** To the server without being counted. */
export const wayChain = (listener: string): string => named('way', listener)
export const accessChain = ({ digit }: IpVersion, listener: string): string => named(`access${digit}`, listener)
export const sourceSet = ({ digit }: IpVersion, listener: string): string => named(`sources${digit}`, listener)
export const macMap = (listener: string, device: string): string => `${named('macs', listener)}/${plain(device)}`
export const ingressChain = (device: string): string => `ingress/${plain(device)}`
export const everyoneChain = (address: string): string => `everyone/${hexOf(address)}`

/** Of the table for clients on this host. */
export const localChain = ({ digit }: IpVersion, listener: string): string => named(`local${digit}`, listener)
export const localTurns = ({ digit }: IpVersion, listener: string): string => named(`turns${digit}`, listener)
export const localServers = ({ digit }: IpVersion, listener: string): string => named(`servers${digit}`, listener)

/** A list is named by what it holds: another one never takes its name. */
export const accessSet = ({ digit }: IpVersion, kind: 'allow' | 'deny', listener: string, content: string): string =>
  `${named(`${kind}${digit}`, listener)}/${content}`

/** Names of listeners hold no slash, so that a colon can become one. */
const named = (kind: string, listener: string): string => `${kind}/${listener.replaceAll(':', '/')}`

/** Names of devices may hold what nft takes in no name. */
const plain = (device: string): string =>
  device.replaceAll(/[^A-Za-z0-9._-]/g, (character) => `_${character.charCodeAt(0).toString(16)}`)
