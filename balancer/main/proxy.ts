// The proxy process: the listeners in user space.

import { isDeepStrictEqual } from 'node:util'
import { startProxy } from '../datapath/userspace/proxy.ts'
import type { Fact } from '../pool/core/facts.ts'
import { describeListenerChanges } from '../pool/core/listener-changes.ts'
import { runChild } from './child.ts'

runChild('proxy', async ({ config, facts, log, publish }) => {
  let { listeners } = config
  const proxy = await startProxy({ listeners, log, publish })
  const onFact = (fact: Fact): void => {
    if (fact.fact === 'server-health' || fact.fact === 'writer') proxy.hear(fact)
  }
  facts.forEach(onFact)
  return {
    onFact,
    reconfigure: async (next) => {
      await proxy.reconfigure(next.listeners)
      const lines = describeListenerChanges(listeners, next.listeners, isDeepStrictEqual)
      listeners = next.listeners
      return lines
    },
    stop: () => proxy.stop(),
  }
})
