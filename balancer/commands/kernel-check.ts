// What `balancer check` says of this host where listeners want the kernel datapath. It looks, and changes nothing.

import type { BalancerConfig } from '../config/schema.ts'
import { pathsOf } from '../datapath/kernel/core/forwarding.ts'
import { kernelOwnTable } from '../datapath/kernel/core/kernel-table.ts'
import { ownMark, ownMask } from '../datapath/kernel/core/marks.ts'
import { foreignRules, missingForKernel } from '../datapath/kernel/host-check.ts'
import { forwardedListeners, readHostView } from '../datapath/kernel/host-view.ts'
import { findTable, foreignTable } from '../datapath/rules/own-table.ts'
import { missingCapabilities } from '../os/capabilities.ts'
import { clientPlaces } from '../vrrp/instance.ts'

/** A line for each thing that is missing here or in the way; the file may be meant for another host. */
export const kernelWarnings = async ({ listeners, vrrp }: BalancerConfig): Promise<readonly string[]> => {
  const forwarded = forwardedListeners(listeners)
  if (forwarded.length === 0) return []
  if (missingCapabilities(['net_admin']).length > 0) {
    return [
      'datapath: kernel: nft, features of the kernel and rules of other programs were not looked at; run the check as root',
    ]
  }
  const missing = await missingForKernel()
  if (missing.length > 0) return missing.map((text) => `datapath: kernel: ${text}`)
  const paths = pathsOf(forwarded, readHostView(clientPlaces(vrrp.instances)))
  const found = await foreignRules(paths, { mask: ownMask, value: ownMark, example: ownMark + 1 }, [
    kernelOwnTable.name,
  ])
  const table = await findTable(kernelOwnTable)
  const isTaken = !table.ok && table.code === foreignTable
  return [
    ...(isTaken ? [`datapath: kernel: ${table.text}`] : []),
    ...found.map(
      ({ text, isSure }) => `datapath: kernel: ${text}${isSure ? '' : ' (unless another rule lets them pass)'}`,
    ),
  ]
}
