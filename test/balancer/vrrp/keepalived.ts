// A real keepalived on a host of a lab: the other router that every driver test is measured against.

import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Host } from '../../lab/host.ts'
import type { Lab } from '../../lab/lab.ts'
import type { LabProcess } from '../../lab/lab-process.ts'

/** One VRRP instance, in keepalived's words. `interval` is in seconds. */
export type KeepalivedOptions = {
  readonly version: 2 | 3
  readonly priority: number
  readonly interval: number
  readonly address: string
}

/** Starts keepalived with the instance VI_1, virtual router 51 on eth0. */
export const startKeepalived = async (lab: Lab, host: Host, options: KeepalivedOptions): Promise<LabProcess> => {
  const file = (ending: string): string => join(lab.directory, `${host.name}-keepalived.${ending}`)
  const configuration = `
    global_defs {
      router_id ${host.name}
      vrrp_version ${options.version}
    }
    vrrp_instance VI_1 {
      state BACKUP
      interface eth0
      virtual_router_id 51
      priority ${options.priority}
      advert_int ${options.interval}
      virtual_ipaddress {
        ${options.address}
      }
    }
  `
  await writeFile(file('conf'), configuration)
  const files = ['--use-file', file('conf'), '--pid', file('pid'), '--vrrp_pid', file('vrrp.pid')]
  return host.spawn('keepalived', 'keepalived', ['--dont-fork', '--log-console', '--log-detail', ...files])
}
