// Kernel settings of one interface under /proc/sys/net.

import { readFileSync, writeFileSync } from 'node:fs'
import { done, type Outcome, refused } from './outcome.ts'

const fileOf = (family: 'ipv4' | 'ipv6', device: string, key: string): string =>
  `/proc/sys/net/${family}/conf/${device}/${key}`

/** Sets one setting, such as `arp_ignore`. */
export const setSysctl = (family: 'ipv4' | 'ipv6', device: string, key: string, value: number): Outcome => {
  try {
    writeFileSync(fileOf(family, device, key), `${value}`)
    return done
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'EIO'
    return refused(code, `cannot set ${fileOf(family, device, key)} to ${value}: ${code}`)
  }
}

/** What one setting is; null where there is no such setting or interface. */
export const readSysctl = (family: 'ipv4' | 'ipv6', device: string, key: string): string | null => {
  try {
    return readFileSync(fileOf(family, device, key), 'utf8').trim()
  } catch {
    return null
  }
}

/** Whether this host forwards IPv6 packets that come in through an interface. */
export const forwardsIpv6 = (device: string): boolean => (readSysctl('ipv6', device, 'forwarding') ?? '0') !== '0'
