// The kernel process: keeps the rules of the listeners that the kernel forwards, by translation or directly.

import { demandWarnings } from '../config/demand.ts'
import { forwardedBy } from '../core/forwarders.ts'
import { decides } from '../datapath/datapath.ts'
import { startKernel } from '../datapath/kernel/kernel.ts'
import { hostLimits } from '../os/host-limits.ts'
import { clientPlaces } from '../vrrp/instance.ts'
import { runChild } from './child.ts'
import { type DirectRoom, startDirectRoom } from './direct-room.ts'
import { startHeartbeat } from './heartbeat.ts'
import { rememberFacts } from './known-facts.ts'
import { type Room, runRooms } from './rooms.ts'

/** For what other balancers know of sessions: at a start nobody is master before; a reload has its own limit. */
const [startPatience, reloadPatience] = [10_000, 4000]

runChild('kernel', async ({ config: first, facts, log, logSession, publish, onFact, inherit, succeeds }) => {
  let config = first
  const known = rememberFacts(facts)
  const warn = (): void => {
    for (const warning of demandWarnings(forwardedBy('kernel', config.listeners), hostLimits())) log.warn(warning)
  }
  warn()
  const shared = {
    places: () => clientPlaces(config.vrrp.instances),
    onSession: logSession,
    ...{ log, publish, inherit },
  }
  let direct: DirectRoom | undefined
  // A program that takes the place of another one has its sessions.
  let patience = succeeds ? 0 : startPatience
  const startRoom: Room['start'] = async (listeners, facts) => {
    const own = { config: () => config, publishPeers: publish, patience }
    direct = await startDirectRoom({ ...shared, ...own, listeners, facts })
    return direct
  }
  const forwarding = await runRooms(
    [
      { datapath: 'kernel', start: (listeners, known) => startKernel({ ...shared, listeners, facts: known }) },
      { datapath: 'direct', start: startRoom },
    ],
    forwardedBy('kernel', config.listeners),
    facts.filter(decides),
  )
  patience = reloadPatience
  const stopHeartbeat = startHeartbeat('kernel', publish)
  const retire = (): Promise<void> => {
    stopHeartbeat()
    return forwarding.retire()
  }
  onFact((fact) => {
    if (!decides(fact)) return
    known.hear(fact)
    forwarding.hear(fact)
  })
  return {
    reconfigure: async (next) => {
      const before = config
      config = next
      try {
        await forwarding.reconfigure(forwardedBy('kernel', next.listeners), known.of(next.listeners))
      } catch (error) {
        config = before
        throw error
      }
      warn()
      return direct?.reconfigurePeers() ?? []
    },
    endSessions: forwarding.endSessions,
    listSessions: forwarding.listSessions,
    // The rules go on without anybody, until the next program or `balancer release`.
    outlive: retire,
    handles: forwarding.handles,
    goOn: forwarding.goOn,
    retire,
    stop: () => {
      stopHeartbeat()
      return forwarding.stop()
    },
  }
})
