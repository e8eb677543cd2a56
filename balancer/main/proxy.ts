// The proxy process: the listeners in user space.

import { demandWarnings } from '../config/demand.ts'
import { forwardedBy } from '../core/forwarders.ts'
import { filesBeside } from '../core/shortage.ts'
import { millis } from '../core/time.ts'
import { decides } from '../datapath/datapath.ts'
import { startProxy } from '../datapath/userspace/proxy.ts'
import { warmUp } from '../datapath/userspace/warm-up.ts'
import { hostLimits } from '../os/host-limits.ts'
import { remainingOf } from '../pool/core/draining.ts'
import { runChild } from './child.ts'
import { startHeartbeat } from './heartbeat.ts'
import { rememberFacts } from './known-facts.ts'

/** A little more than a hand-over takes at most. */
const longestHandOver = millis(6000)

/** Of so few files that little would be left, half are for sessions. */
const socketsAllowed = (descriptors: number): number => Math.max(descriptors - filesBeside, Math.floor(descriptors / 2))

runChild('proxy', async ({ config, facts, log, logSession, publish, onFact, inherit, succeeds }) => {
  let listeners = forwardedBy('proxy', config.listeners)
  const known = rememberFacts(facts)
  const limits = hostLimits()
  for (const warning of demandWarnings(listeners, limits)) log.warn(warning)
  const maximumSockets = socketsAllowed(limits.descriptors)
  // The program before this one has the clients until then, and its code is compiled.
  if (succeeds) await warmUp()
  const proxy = await startProxy({
    ...{ listeners, log, publish, maximumSockets, inherit },
    facts: facts.filter(decides),
    onSession: logSession,
  })
  if (!succeeds) void warmUp()
  const stopHeartbeat = startHeartbeat('proxy', publish)
  onFact((fact) => {
    if (!decides(fact)) return
    known.hear(fact)
    proxy.hear(fact)
  })
  return {
    reconfigure: async (next) => {
      const wanted = forwardedBy('proxy', next.listeners)
      await proxy.reconfigure(wanted, known.of(next.listeners))
      for (const warning of demandWarnings(wanted, hostLimits())) log.warn(warning)
      listeners = wanted
      return []
    },
    endSessions: proxy.endSessions,
    listSessions: proxy.listSessions,
    // The vrrp process hands the addresses over first, and clients come here until then.
    outlive: () => proxy.unreachable(longestHandOver),
    handles: proxy.handles,
    retire: () => {
      stopHeartbeat()
      return proxy.retire()
    },
    outline: (outline) => {
      listeners = [...remainingOf(listeners, outline)]
      return proxy.reconfigure(listeners, [])
    },
    stop: () => {
      stopHeartbeat()
      return proxy.stop()
    },
  }
})
