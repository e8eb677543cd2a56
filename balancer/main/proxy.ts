// The proxy process: the listeners in user space.

import { isDeepStrictEqual } from 'node:util'
import type { Logger } from 'pino'
import type { ListenerConfig } from '../config/schema.ts'
import { millis } from '../core/time.ts'
import { startProxy } from '../datapath/userspace/proxy.ts'
import { warmUp } from '../datapath/userspace/warm-up.ts'
import { openFileLimit } from '../os/open-files.ts'
import type { Fact } from '../pool/core/facts.ts'
import { describeListenerChanges } from '../pool/core/listener-changes.ts'
import { runChild } from './child.ts'
import { startHeartbeat } from './heartbeat.ts'

/** Sockets of one session, and what the process needs beside them. */
const filesPerSession = 2
const filesBeside = 100
/** A little more than a hand-over takes at most. */
const longestHandOver = millis(6000)

const warnOfFewFiles = (listeners: readonly ListenerConfig[], log: Logger): void => {
  const wanted = listeners.reduce((sum, { max_connections }) => sum + max_connections * filesPerSession, filesBeside)
  const limit = openFileLimit()
  if (wanted <= limit) return
  const sessions = Math.max(0, Math.floor((limit - filesBeside) / filesPerSession))
  log.warn(
    { limit, wanted },
    `Open files are limited to ${limit}: clients beyond ${sessions} sessions are refused; LimitNOFILE=${wanted} in the unit allows all of max_connections`,
  )
}

runChild('proxy', async ({ config, facts, log, publish }) => {
  let { listeners } = config
  warnOfFewFiles(listeners, log)
  const proxy = await startProxy({ listeners, log, publish })
  const onFact = (fact: Fact): void => {
    if (fact.fact === 'server-health' || fact.fact === 'writer') proxy.hear(fact)
  }
  facts.forEach(onFact)
  void warmUp()
  const stopHeartbeat = startHeartbeat('proxy', publish)
  return {
    onFact,
    reconfigure: async (next) => {
      await proxy.reconfigure(next.listeners)
      const lines = describeListenerChanges(listeners, next.listeners, isDeepStrictEqual)
      listeners = next.listeners
      return lines
    },
    // The vrrp process hands the addresses over first, and clients come here until then.
    outlive: () => proxy.unreachable(longestHandOver),
    stop: () => {
      stopHeartbeat()
      return proxy.stop()
    },
  }
})
