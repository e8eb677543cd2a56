// The vrrp process: advertisements and virtual addresses, and nothing that could make them late.

import { setPriority } from 'node:os'
import { monotonicNow } from '../os/clock.ts'
import { startVirtualRouters } from '../vrrp/virtual-routers.ts'
import { runChild } from './child.ts'

const urgent = -20

runChild('vrrp', async ({ config, resume, log, publish }) => {
  try {
    setPriority(urgent)
  } catch (error) {
    log.warn({ err: error }, 'Cannot raise the priority of the vrrp process; advertisements may be late under load')
  }
  const mayResume = (name: string): boolean =>
    resume.some(({ instance, until }) => instance === name && monotonicNow() < until)
  const routers = await startVirtualRouters({ vrrp: config.vrrp, mayResume, log, publish })
  return { onFact: () => {}, reconfigure: (next) => routers.reconfigure(next.vrrp), stop: () => routers.stop() }
})
