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
  readonly addresses: readonly string[]
  readonly nopreempt?: boolean
  readonly password?: string
  /** From a virtual MAC address. */
  readonly useVmac?: boolean
  /** Seconds after which it announces its addresses a second time; 5 unless this says otherwise. */
  readonly announceAgainAfter?: number
  /** Its priority goes out once more before it yields to a higher one. */
  readonly speaksBeforeItYields?: boolean
  readonly unicast?: { readonly source: string; readonly peer: string }
}

/** Starts keepalived with the instance VI_1, virtual router 51 on eth0. */
export const startKeepalived = async (lab: Lab, host: Host, options: KeepalivedOptions): Promise<LabProcess> => {
  const { version, priority, interval, addresses, nopreempt = false, password, useVmac = false, unicast } = options
  const { announceAgainAfter, speaksBeforeItYields = false } = options
  const file = (ending: string): string => join(lab.directory, `${host.name}-keepalived.${ending}`)
  const configuration = `
    global_defs {
      router_id ${host.name}
      vrrp_version ${version}
      vrrp_rt_priority 10
      vrrp_rlimit_rttime 1000000
    }
    vrrp_instance VI_1 {
      state BACKUP
      interface eth0
      virtual_router_id 51
      priority ${priority}
      advert_int ${interval}
      ${nopreempt ? 'nopreempt' : ''}
      ${useVmac ? 'use_vmac' : ''}
      ${announceAgainAfter === undefined ? '' : `garp_master_delay ${announceAgainAfter}`}
      ${speaksBeforeItYields ? 'higher_prio_send_advert true' : ''}
      ${password === undefined ? '' : `authentication {\n auth_type PASS\n auth_pass ${password}\n }`}
      ${unicast === undefined ? '' : `unicast_ttl 255\n unicast_src_ip ${unicast.source}\n unicast_peer {\n ${unicast.peer}\n }`}
      virtual_ipaddress {
        ${addresses.join('\n')}
      }
    }
  `
  await writeFile(file('conf'), configuration)
  const files = ['--use-file', file('conf'), '--pid', file('pid'), '--vrrp_pid', file('vrrp.pid')]
  return host.spawn('keepalived', 'keepalived', ['--dont-fork', '--log-console', '--log-detail', ...files])
}
