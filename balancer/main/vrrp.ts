// The vrrp process: advertisements and virtual addresses, and nothing that could make them late.

import { monotonicNow } from '../os/clock.ts'
import { raiseScheduling } from '../os/scheduling.ts'
import { scriptUserWarning } from '../vrrp/script-users.ts'
import type { Past } from '../vrrp/virtual-router.ts'
import { startVirtualRouters } from '../vrrp/virtual-routers.ts'
import { runChild } from './child.ts'

runChild('vrrp', async ({ config, resume, facts, log, publish }) => {
  const scheduling = raiseScheduling()
  if (scheduling.ok) log.info({ scheduling: scheduling.value }, `The vrrp process runs with ${scheduling.value}`)
  else log.warn(`${scheduling.text}; advertisements may be late under load`)
  const scriptUsers = scriptUserWarning(config.vrrp)
  if (scriptUsers !== null) log.warn(scriptUsers)
  const was = (name: string): ReturnType<Past['was']> => {
    const found = resume.find(({ instance }) => instance === name)
    const now = monotonicNow()
    if (found === undefined || now >= found.lateUntil) return 'no-master'
    return now < found.until ? 'master' : 'late-master'
  }
  const past = (name: string): Past | null => {
    const fact = facts.find((one) => one.fact === 'virtual-router' && one.name === name)
    if (fact?.fact !== 'virtual-router') return null
    const { hasBegun, standsBack, inMaintenance: isInMaintenance } = fact
    return { was: () => was(name), hasBegun, standsBack, isInMaintenance }
  }
  const routers = await startVirtualRouters({ config, past, log, publish })
  facts.forEach(routers.hear)
  return {
    onFact: routers.hear,
    reconfigure: routers.reconfigure,
    order: async (instance, order) => {
      const outcome = await routers.order(instance, order)
      return { ok: outcome.ok, lines: [outcome.ok ? outcome.value : outcome.text] }
    },
    stop: () => routers.stop(),
  }
})
