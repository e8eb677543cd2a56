// A program for hosts of a lab: does to the host what its first argument names, and prints what came of it.

import { missingForKernel } from '../../../../balancer/datapath/kernel/host-check.ts'
import { holdSettings, releaseSettings } from '../../../../balancer/datapath/kernel/host-settings.ts'

const [, , what, file = '', demand = '{}'] = process.argv

const done = async (): Promise<unknown> => {
  switch (what) {
    case 'hold':
      return holdSettings(JSON.parse(demand), file)
    case 'release':
      return releaseSettings(file)
    default:
      return missingForKernel()
  }
}

process.stdout.write(`${JSON.stringify(await done())}\n`)
