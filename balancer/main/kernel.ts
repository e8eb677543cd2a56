// The kernel process: keeps the rules of the listeners that the kernel forwards.

import { demandWarnings } from '../config/demand.ts'
import { forwardedBy } from '../core/forwarders.ts'
import { decides } from '../datapath/datapath.ts'
import { startKernel } from '../datapath/kernel/kernel.ts'
import { hostLimits } from '../os/host-limits.ts'
import { clientPlaces } from '../vrrp/instance.ts'
import { runChild } from './child.ts'
import { startHeartbeat } from './heartbeat.ts'
import { rememberFacts } from './known-facts.ts'

runChild('kernel', async ({ config: first, facts, log, logSession, publish, inherit }) => {
  let config = first
  const known = rememberFacts(facts)
  const warn = (): void => {
    for (const warning of demandWarnings(forwardedBy('kernel', config.listeners), hostLimits())) log.warn(warning)
  }
  warn()
  const kernel = await startKernel({
    listeners: forwardedBy('kernel', config.listeners),
    facts: facts.filter(decides),
    places: () => clientPlaces(config.vrrp.instances),
    onSession: logSession,
    ...{ log, publish, inherit },
  })
  const stopHeartbeat = startHeartbeat('kernel', publish)
  const retire = (): Promise<void> => {
    stopHeartbeat()
    return kernel.retire()
  }
  return {
    onFact: (fact) => {
      if (!decides(fact)) return
      known.hear(fact)
      kernel.hear(fact)
    },
    reconfigure: async (next) => {
      const before = config
      config = next
      try {
        await kernel.reconfigure(forwardedBy('kernel', next.listeners), known.of(next.listeners))
      } catch (error) {
        config = before
        throw error
      }
      warn()
      return []
    },
    endSessions: kernel.endSessions,
    // The rules go on without anybody, until the next program or `balancer release`.
    outlive: retire,
    handles: kernel.handles,
    goOn: kernel.goOn,
    retire,
    stop: () => {
      stopHeartbeat()
      return kernel.stop()
    },
  }
})
