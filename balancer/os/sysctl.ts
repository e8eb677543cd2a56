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

/** Whether this host forwards IPv6 packets that come in through an interface. */
export const forwardsIpv6 = (device: string): boolean => {
  try {
    return readFileSync(fileOf('ipv6', device, 'forwarding'), 'utf8').trim() !== '0'
  } catch {
    return false
  }
}
