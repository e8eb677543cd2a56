// Kernel settings under /proc/sys/net.

import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { codeOf } from '../core/error-text.ts'
import { done, type Outcome, refused } from './outcome.ts'

const root = '/proc/sys/'

/** Writes a setting by its name with slashes, such as `net/ipv4/conf/eth0/forwarding` (sysctl.d(5)). */
export const writeSetting = (key: string, value: string): Outcome => {
  try {
    writeFileSync(`${root}${key}`, value)
    return done
  } catch (error) {
    const code = codeOf(error)
    return refused(code, `cannot set ${root}${key} to ${value}: ${code}`)
  }
}

/** Reads it; null where there is no such setting. */
export const readSetting = (key: string): string | null => {
  try {
    return readFileSync(`${root}${key}`, 'utf8').trim()
  } catch {
    return null
  }
}

/** The interfaces that have settings for IPv6, without `all` and `default`; none where the kernel has no IPv6. */
export const ipv6Devices = (): readonly string[] => {
  try {
    return readdirSync(`${root}net/ipv6/conf`).filter((device) => device !== 'all' && device !== 'default')
  } catch {
    return []
  }
}

/** Sets one setting of an interface, such as `arp_ignore`. */
export const setSysctl = (family: 'ipv4' | 'ipv6', device: string, key: string, value: number): Outcome =>
  writeSetting(`net/${family}/conf/${device}/${key}`, `${value}`)

/** What one setting of an interface is; null where there is no such setting or interface. */
export const readSysctl = (family: 'ipv4' | 'ipv6', device: string, key: string): string | null =>
  readSetting(`net/${family}/conf/${device}/${key}`)

/** Whether this host forwards IPv6 packets that come in through an interface. */
export const forwardsIpv6 = (device: string): boolean => (readSysctl('ipv6', device, 'forwarding') ?? '0') !== '0'
