// A keepalived that runs on this host, and the virtual routers in its configuration.

import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

/** One vrrp_instance of a running keepalived. */
export type KeepalivedInstance = { readonly pid: number; readonly interface: string; readonly virtualRouterId: number }

const usualFile = '/etc/keepalived/keepalived.conf'
const familyName = /^keepalived/
/** What follows, up to the next one: the two lines that matter may stand behind blocks of their own. */
const instanceStart = /^\s*vrrp_instance\s/m

/** Those of all keepalived processes of this host and network; a file that cannot be read has none. */
export const keepalivedInstances = (): readonly KeepalivedInstance[] => {
  const seen = new Set<string>()
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => Number.isInteger(pid) && isHere(pid))
    .flatMap((pid) => instancesOf(pid))
    .filter(({ interface: device, virtualRouterId }) => {
      // It has several processes.
      const key = `${device} ${virtualRouterId}`
      const isNew = !seen.has(key)
      seen.add(key)
      return isNew
    })
}

const isHere = (pid: number): boolean => {
  if (!familyName.test(readOr(`/proc/${pid}/comm`))) return false
  try {
    return readlinkSync(`/proc/${pid}/ns/net`) === readlinkSync('/proc/self/ns/net')
  } catch {
    // Who has fewer privileges may not look; most hosts have one network.
    return true
  }
}

const instancesOf = (pid: number): readonly KeepalivedInstance[] => {
  const words = readOr(`/proc/${pid}/cmdline`).split('\0')
  const at = words.findIndex((word) => word === '-f' || word === '--use-file')
  const named = words.find((word) => /^(-f|--use-file=)\//.test(word))?.replace(/^(-f|--use-file=)/, '')
  const text = readOr((at >= 0 ? words[at + 1] : named) ?? usualFile).replaceAll(/[#!].*$/gm, '')
  return text
    .split(instanceStart)
    .slice(1)
    .flatMap((block) => {
      const [, device] = /^\s*interface\s+(\S+)/m.exec(block) ?? []
      const [, id] = /^\s*virtual_router_id\s+(\d+)/m.exec(block) ?? []
      return device === undefined || id === undefined ? [] : [{ pid, interface: device, virtualRouterId: Number(id) }]
    })
}

const readOr = (file: string): string => {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}
