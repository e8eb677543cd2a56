// A program for hosts of a lab: does to the host what its first argument names, and prints what came of it.

import { missingForKernel, takenName } from '../../../../balancer/datapath/kernel/host-check.ts'
import { holdSettings, releaseSettings } from '../../../../balancer/datapath/kernel/host-settings.ts'
import { releaseKernel } from '../../../../balancer/datapath/kernel/release.ts'

const [, , what, file = '', demand = '{}'] = process.argv

const done = async (): Promise<unknown> => {
  switch (what) {
    case 'hold':
      return holdSettings(JSON.parse(demand), file)
    case 'release':
      return releaseSettings(file)
    case 'release-all':
      return releaseKernel({ tables: ['balancer'], endSessions: async () => ({ ok: true, value: Number(file) }) })
    case 'taken':
      return takenName('balancer')
    default:
      return missingForKernel()
  }
}

process.stdout.write(`${JSON.stringify(await done())}\n`)
