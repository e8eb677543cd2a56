// How interfaces answer ARP, and the routes of IPv4: what /proc tells, and the settings that are written there.

import { readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs'
import { codeOf } from '../core/error-text.ts'
import type { Answer } from './run-program.ts'

const folder = '/proc/sys/net/ipv4/conf'
const keys = ['arp_ignore', 'arp_announce'] as const

/** The settings of every interface but lo, and of `all`, by `eth0/arp_ignore`. */
export const readArpSettings = (): ReadonlyMap<string, string> => {
  const devices = readdirSync(folder).filter((device) => device !== 'default' && device !== 'lo')
  const settings = new Map<string, string>()
  for (const device of devices) {
    for (const key of keys) {
      const value = read(`${folder}/${device}/${key}`)
      if (value !== null) settings.set(`${device}/${key}`, value)
    }
  }
  return settings
}

/** Null where an interface has gone between two looks. */
const read = (path: string): string | null => {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch {
    return null
  }
}

/** Writes one. */
export const writeArpSetting = (device: string, key: string, value: string): Answer => {
  try {
    writeFileSync(`${folder}/${device}/${key}`, value)
    return { ok: true, value: '' }
  } catch (error) {
    const why = codeOf(error)
    const advice = ['EACCES', 'EPERM', 'EROFS'].includes(why)
      ? '; it takes root, and a /proc/sys that can be written'
      : ''
    return { ok: false, text: `cannot set net.ipv4.conf.${device}.${key}: ${why}${advice}` }
  }
}

/** The main table of IPv4 routes as the kernel writes it; empty where it cannot be read. */
export const readIpv4Routes = (): string => read('/proc/net/route') ?? ''

/** The network namespace of this process: what is put in place belongs to it. */
export const networkNamespace = (): string => {
  try {
    return readlinkSync('/proc/self/ns/net')
  } catch {
    return 'unknown'
  }
}
