// A program for hosts of a lab: runs the virtual routers given as JSON in its first argument, prints log and facts.

import { pino } from 'pino'
import type { VrrpInstanceConfig } from '../../../balancer/config/vrrp-schema.ts'
import { FailedStart } from '../../../balancer/core/failed-start.ts'
import { startVirtualRouters } from '../../../balancer/vrrp/virtual-routers.ts'

/** What the test hands over. */
export type RouterProcessArguments = {
  readonly instances: readonly VrrpInstanceConfig[]
  readonly resume: readonly string[]
}

const { instances, resume }: RouterProcessArguments = JSON.parse(process.argv[2] ?? '')
try {
  const routers = await startVirtualRouters({
    instances,
    mayResume: (name) => resume.includes(name),
    log: pino(pino.destination({ sync: true })),
    publish: (fact) => process.stdout.write(`${JSON.stringify(fact)}\n`),
  })
  process.once('SIGTERM', async () => {
    await routers.stop()
    process.stdout.write('stopped\n')
  })
} catch (error) {
  if (!(error instanceof FailedStart)) throw error
  process.stdout.write(`failed start: ${error.message}\n`)
  process.exitCode = 1
}
