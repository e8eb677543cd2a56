// The proxy process: the listeners in user space.

import { startProxy } from '../datapath/userspace/proxy.ts'
import type { Fact } from '../pool/core/facts.ts'
import { refuseForNow, runChild } from './child.ts'

runChild('proxy', async ({ config, facts, log, publish }) => {
  const proxy = await startProxy({ listeners: config.listeners, log, publish })
  const onFact = (fact: Fact): void => {
    if (fact.fact === 'server-health') proxy.serverHealth(fact)
  }
  facts.forEach(onFact)
  return { onFact, reconfigure: () => refuseForNow('listeners'), stop: () => proxy.stop() }
})
