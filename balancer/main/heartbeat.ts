// The heartbeat of a process: VRRP gives the address up where it stays away.

import { monotonicNow } from '../os/clock.ts'
import type { Fact, HeartbeatFact } from '../pool/core/facts.ts'

const beatInterval = 500

/** Publishes heartbeats from now on; the function that is returned ends it. */
export const startHeartbeat = (process: HeartbeatFact['process'], publish: (fact: Fact) => void): (() => void) => {
  const beat = (): void => publish({ fact: 'heartbeat', process, at: monotonicNow() })
  beat()
  const timer = setInterval(beat, beatInterval)
  return () => clearInterval(timer)
}
