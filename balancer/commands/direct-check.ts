// What `balancer check` says of this host and its network where listeners want the direct datapath. It looks, tries and changes nothing.

import pino from 'pino'
import type { BalancerConfig } from '../config/schema.ts'
import { directOwnTable } from '../datapath/direct/core/direct-table.ts'
import { missingForDirect, segmentFindings } from '../datapath/direct/host-check.ts'
import { findTable, foreignTable } from '../datapath/rules/own-table.ts'
import { missingCapabilities } from '../os/capabilities.ts'
import { clientPlaces } from '../vrrp/instance.ts'

/** A line for each thing that is missing here or in the way; the file may be meant for another host. */
export const directWarnings = async ({ listeners, vrrp }: BalancerConfig): Promise<readonly string[]> => {
  const direct = listeners.filter(({ datapath }) => datapath === 'direct')
  if (direct.length === 0) return []
  if (missingCapabilities(['net_admin', 'net_raw']).length > 0) {
    return ['datapath: direct: nft, the kernel and the ways to servers were not looked at; run the check as root']
  }
  const missing = await missingForDirect()
  const table = missing.length > 0 ? null : await findTable(directOwnTable)
  const isTaken = table !== null && !table.ok && table.code === foreignTable
  const found = await segmentFindings(direct, clientPlaces(vrrp.instances), pino({ level: 'silent' }))
  return [...missing, ...(isTaken ? [table.text] : []), ...found].map((text) => `datapath: direct: ${text}`)
}
