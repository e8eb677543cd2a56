// A program for hosts of a lab: does to the host what its first argument names, and prints what came of it.

import { kernelOwnTable } from '../../../../balancer/datapath/kernel/core/kernel-table.ts'
import { missingForKernel } from '../../../../balancer/datapath/kernel/host-check.ts'
import { holdSettings, releaseSettings } from '../../../../balancer/datapath/kernel/host-settings.ts'
import { releaseKernel } from '../../../../balancer/datapath/kernel/release.ts'
import { findTable } from '../../../../balancer/datapath/rules/own-table.ts'

const [, , what, file = '', demand = '{}'] = process.argv

const done = async (): Promise<unknown> => {
  switch (what) {
    case 'hold':
      return holdSettings(JSON.parse(demand), file)
    case 'release':
      return releaseSettings(file)
    case 'release-all':
      return releaseKernel({ tables: ['balancer'], endSessions: async () => ({ ok: true, value: Number(file) }) })
    case 'taken': {
      const found = await findTable(kernelOwnTable)
      return found.ok ? null : found.text
    }
    default:
      return missingForKernel()
  }
}

process.stdout.write(`${JSON.stringify(await done())}\n`)
