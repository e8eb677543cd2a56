// The proxy worker's work: all listeners in user space, kept in step with addresses and servers' health.

import type { Logger } from 'pino'
import type { ListenerConfig } from '../../config/schema.ts'
import { watchAddresses } from '../../os/netlink.ts'
import type { ListenerState } from '../../os/waiting-listener.ts'
import type { ListenerFact, ServerHealthFact } from '../../pool/core/facts.ts'
import { createProxyListener, type ProxyListener } from './proxy-listener.ts'

/** The running listeners. */
export type Proxy = { readonly serverHealth: (fact: ServerHealthFact) => void; readonly stop: () => void }

export type ProxyOptions = {
  readonly listeners: readonly ListenerConfig[]
  readonly log: Logger
  readonly publish: (fact: ListenerFact) => void
}

const publishMillis = 500

/** Opens every listener whose address is here; the others open when it arrives. Throws `FailedStart`. */
export const startProxy = async ({ listeners, log, publish }: ProxyOptions): Promise<Proxy> => {
  const running = new Map<string, ProxyListener>()
  const watch = await watchAddresses((address, present) => {
    for (const listener of running.values()) listener.addressChanged(address, present)
  })
  for (const [index, config] of listeners.entries()) {
    const onBindChange = ({ address, open, error }: ListenerState) => {
      if (error !== null) log.error({ listener: config.name, address }, `Listener ${config.name}: ${error}`)
      else
        log.info(
          { listener: config.name, address },
          `Listener ${config.name} is ${open ? 'open' : 'closed'} on ${address}`,
        )
      publish(listener.fact())
    }
    const listener = createProxyListener({ config, index, isPresent: watch.has, onBindChange })
    running.set(config.name, listener)
  }
  for (const listener of running.values()) await listener.start()
  const publishAll = () => {
    for (const listener of running.values()) publish(listener.fact())
  }
  publishAll()
  const timer = setInterval(publishAll, publishMillis)

  return {
    serverHealth: (fact) => running.get(fact.listener)?.markServer(fact.server, fact.up),
    stop: () => {
      clearInterval(timer)
      watch.close()
      for (const listener of running.values()) listener.stop()
    },
  }
}
