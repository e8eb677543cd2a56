// The director process: health checks, the pool of all facts, and the status page that shows it.

import { startRuntimeSocket } from '../admin/runtime-socket.ts'
import { startStatusPage } from '../admin/status-page.ts'
import { startChecker } from '../health/checker.ts'
import type { Fact } from '../pool/core/facts.ts'
import { emptyPool, serverKey, withFact } from '../pool/core/pool.ts'
import { describeChange } from '../pool/core/server-change.ts'
import { refuseForNow, runChild } from './child.ts'
import { runtimeCommands } from './runtime-commands.ts'

runChild('director', async ({ config, facts, log, publish, requestReload }) => {
  let pool = facts.reduce(withFact, emptyPool)
  const hear = (fact: Fact): void => {
    const before = pool
    pool = withFact(pool, fact)
    const change = fact.fact === 'server-health' ? describeChange(before, pool, fact) : undefined
    if (change !== undefined) log[change.level](change.fields, change.text)
  }
  const page = await startStatusPage({ config, pool: () => pool, log })
  const socket = await startRuntimeSocket(config.admin.socket, runtimeCommands(requestReload), log)
  const checker = startChecker({
    listeners: config.listeners,
    inherited: (listener, server) => pool.servers.get(serverKey(listener, server)),
    log,
    publish: (fact) => {
      hear(fact)
      publish(fact)
    },
  })
  return {
    onFact: hear,
    reconfigure: () => refuseForNow('checks, pool and status page'),
    stop: async () => {
      await checker.stop()
      page?.stop()
      socket.stop()
    },
  }
})
