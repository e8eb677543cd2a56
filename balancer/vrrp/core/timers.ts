// The durations that VRRP derives from priority and advertisement interval (RFC 3768 and RFC 9568, section 6.1).

import { type Millis, millis } from '../../core/time.ts'
import type { ProtocolVersion } from './advertisement.ts'

/** Single announcements soon after the first ones, beside those that are configured: a lost one must not cost long. */
export const earlyAnnouncements: readonly Millis[] = [millis(100), millis(1000)]

/** At least so long between the announcements that another master provokes. */
export const contentionPause = millis(100)

const priorities = 256
const oneSecond = 1000
const advertisementsMissed = 3
const leaseMargin = 250
const shortestLease = 2

/** Skew time: the lower the priority, the longer a backup waits. Version 2 counts in seconds, version 3 in intervals. */
export const skewTime = (version: ProtocolVersion, priority: number, masterInterval: Millis): Millis =>
  millis(((priorities - priority) / priorities) * (version === 2 ? oneSecond : masterInterval))

/** Master down interval: a backup that hears nothing for so long takes over. */
export const masterDownInterval = (version: ProtocolVersion, priority: number, masterInterval: Millis): Millis =>
  millis(advertisementsMissed * masterInterval + skewTime(version, priority, masterInterval))

/** Seconds for which the kernel keeps a virtual address that nobody renews: a little over the master down interval. */
export const leaseSeconds = (masterDown: Millis): number =>
  Math.max(shortestLease, Math.ceil((masterDown + leaseMargin) / oneSecond))

/** How old a lease may be when an advertisement is sent: it shall outlive the master down interval that begins then. */
export const renewalInterval = (lease: number, masterDown: Millis): Millis =>
  millis(Math.min((lease * oneSecond) / 4, lease * oneSecond - masterDown))

const longestHandOver = 5000

/** How long a master that leaves keeps the addresses for a successor: intervals of version 2 reach 255 s, people do not. */
export const handOverWait = (masterDown: Millis): Millis => millis(Math.min(masterDown, longestHandOver))
