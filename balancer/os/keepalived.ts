// A keepalived that runs on this host, and the virtual routers in its configuration.

import { readFileSync } from 'node:fs'
import { mayBeInThisNetwork, processIds, readProc } from './proc.ts'

/** One vrrp_instance of a running keepalived. */
export type KeepalivedInstance = { readonly pid: number; readonly interface: string; readonly virtualRouterId: number }

const usualFile = '/etc/keepalived/keepalived.conf'
const familyName = /^keepalived/
/** What follows, up to the next one: the two lines that matter may stand behind blocks of their own. */
const instanceStart = /^\s*vrrp_instance\s/m

/** Those of all keepalived processes of this host and network; a file that cannot be read has none. */
export const keepalivedInstances = (): readonly KeepalivedInstance[] => {
  const seen = new Set<string>()
  return processIds()
    .filter((pid) => familyName.test(readProc(`${pid}/comm`)) && mayBeInThisNetwork(pid))
    .flatMap(instancesOf)
    .filter(({ interface: device, virtualRouterId }) => {
      // It has several processes.
      const key = `${device} ${virtualRouterId}`
      const isNew = !seen.has(key)
      seen.add(key)
      return isNew
    })
}

const instancesOf = (pid: number): readonly KeepalivedInstance[] => {
  const words = readProc(`${pid}/cmdline`).split('\0')
  const at = words.findIndex((word) => word === '-f' || word === '--use-file')
  const named = words.find((word) => /^(-f|--use-file=)\//.test(word))?.replace(/^(-f|--use-file=)/, '')
  const text = textOf((at >= 0 ? words[at + 1] : named) ?? usualFile).replaceAll(/[#!].*$/gm, '')
  return text
    .split(instanceStart)
    .slice(1)
    .flatMap((block) => {
      const [, device] = /^\s*interface\s+(\S+)/m.exec(block) ?? []
      const [, id] = /^\s*virtual_router_id\s+(\d+)/m.exec(block) ?? []
      return device === undefined || id === undefined ? [] : [{ pid, interface: device, virtualRouterId: Number(id) }]
    })
}

const textOf = (file: string): string => {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}
