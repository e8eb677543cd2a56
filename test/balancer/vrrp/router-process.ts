// A program for hosts of a lab: runs the virtual routers given as JSON in its first argument, prints log and facts.
// On SIGHUP it reads new ones from the file named by the second.

import { readFileSync } from 'node:fs'
import { pino } from 'pino'
import type { VrrpConfig } from '../../../balancer/config/vrrp-schema.ts'
import { FailedStart } from '../../../balancer/core/failed-start.ts'
import { raiseScheduling } from '../../../balancer/os/scheduling.ts'
import type { Past } from '../../../balancer/vrrp/past.ts'
import { type HostConfig, prepareVirtualRouters } from '../../../balancer/vrrp/virtual-routers.ts'

/** What the test hands over. */
export type RouterProcessArguments = {
  readonly vrrp: VrrpConfig
  readonly resume: readonly string[]
}

const hostOf = (vrrp: VrrpConfig): HostConfig => ({ router_id: 'test', vrrp, listeners: [] })

const no = (): boolean => false
const pastMaster: Past = {
  was: () => 'master',
  hasBegun: () => true,
  standsBack: no,
  isInMaintenance: no,
  continued: () => undefined,
}

// As the vrrp process has it: however busy the host is, an advertisement goes out in time.
raiseScheduling()
const { vrrp, resume }: RouterProcessArguments = JSON.parse(process.argv[2] ?? '')
try {
  const routers = await prepareVirtualRouters({
    config: hostOf(vrrp),
    past: (name) => (resume.includes(name) ? pastMaster : null),
    log: pino(pino.destination({ sync: true })),
    publish: (fact) => process.stdout.write(`${JSON.stringify(fact)}\n`),
  })
  routers.start()
  process.on('SIGHUP', () => {
    const next: VrrpConfig = JSON.parse(readFileSync(process.argv[3] ?? '', 'utf8'))
    routers.reconfigure(hostOf(next)).then(
      (lines) => process.stdout.write(`reconfigured: ${JSON.stringify(lines)}\n`),
      (error) => process.stdout.write(`refused: ${error.message}\n`),
    )
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
