// The proxy worker's work: all listeners in user space, kept in step with addresses, servers' health and the configuration.

import { setTimeout as setTimeoutPromise } from 'node:timers/promises'
import type { ListenerConfig } from '../../config/schema.ts'
import { type Shortage, shortageOf } from '../../core/shortage.ts'
import { watchAddresses } from '../../os/address-watch.ts'
import type { ListenerState } from '../../os/waiting-listener.ts'
import { formersOf } from '../../pool/core/formers.ts'
import { collectSessions } from '../../pool/core/session-list.ts'
import { mergeEnded } from '../../pool/core/session-order.ts'
import type { SessionRecord } from '../../pool/core/session-record.ts'
import { createShortageLog } from '../../shortage-log.ts'
import type { DecidingFact, RunningDatapath, StartDatapath } from '../datapath.ts'
import { type Bind, createBinds } from './binds.ts'
import { createProxyListener, type ProxyListener } from './proxy-listener.ts'
import type { EndedSession } from './session-trace.ts'

/** What user space needs beside. */
type ProxyOptions = {
  /** Sockets of sessions that this process may have open. */
  readonly maximumSockets: number
  /** Is told of each session when it has ended; calls its argument at once, or never. */
  readonly onSession: (record: () => SessionRecord) => void
}

/** A client, and the server that it gets. */
const socketsOfNewClient = 2
const publishMillis = 500
const lookMillis = 50
/** A failed connect and a client that waits are told soon, and many of them together. */
const failureMillis = 20

/** Opens every listener. */
export const startProxy: StartDatapath<ProxyOptions> = async (options) => {
  const { listeners, log, publish, maximumSockets, inherit } = options
  let running = new Map<string, ProxyListener>()
  let configured: readonly ListenerConfig[] = []
  let isRetired = false
  const publishOne = (name: string): void => {
    const listener = running.get(name)
    if (listener !== undefined) publish(listener.fact(binds.statesOf(name)))
  }
  const publishAll = (): void => {
    for (const name of running.keys()) publishOne(name)
  }
  const binds = createBinds({
    inherit,
    isPresent: (address) => watch.has(address),
    onAcceptFailure: (owner, code) => {
      const shortage = shortageOf(code)
      if (shortage === undefined)
        log.warn({ listener: owner, code }, `Listener ${owner} could not accept a client: ${code}`)
      else onShortage(shortage, owner)
    },
    onChange: (owner, { address, open }: ListenerState) => {
      log.info({ listener: owner, address }, `Listener ${owner} is ${open ? 'open' : 'closed'} on ${address}`)
      publishOne(owner)
    },
  })

  const watch = await watchAddresses((address, present) => {
    binds.addressChanged(address)
    // Nothing reaches these clients any more: let the servers know rather than wait for their timeouts.
    if (!present) for (const listener of running.values()) listener.addressLeft(address)
  })

  const soon = new Map<string, NodeJS.Timeout>()
  const publishSoon = (name: string): void => {
    if (soon.has(name)) return
    const tell = (): void => {
      soon.delete(name)
      publishOne(name)
    }
    soon.set(name, setTimeout(tell, failureMillis))
  }

  const sayShortage = createShortageLog(log)
  const onShortage = (shortage: Shortage, name: string): void => {
    sayShortage(shortage, `clients, now of ${name}`)
    publishSoon(name)
  }
  const socketsInUse = (): number => [...running.values()].reduce((sum, listener) => sum + listener.sockets(), 0)
  const hasRoom = (): boolean => socketsInUse() + socketsOfNewClient <= maximumSockets
  const onEnded = (record: () => EndedSession): void =>
    options.onSession(() => {
      const ended = record()
      let all = 0
      for (const listener of running.values()) all += listener.clients()
      return { ...ended, sessions: { ...ended.sessions, process: all } }
    })
  const start = (config: ListenerConfig): ProxyListener =>
    createProxyListener({ config, onTrouble: publishSoon, onShortage, hasRoom, onEnded })

  const reconfigure: RunningDatapath['reconfigure'] = async (wanted, facts) => {
    const formers = formersOf(configured, wanted)
    const next = new Map(
      wanted.map((config) => {
        const kept = running.get(formers.listener(config)?.name ?? '')
        return [config.name, kept ?? start(config)] as const
      }),
    )
    const before = running
    if (!isRetired) await binds.assign(wanted.flatMap((config, i) => bindsOf(config, i, next)))
    running = next
    configured = wanted
    for (const config of wanted) next.get(config.name)?.reconfigure(config)
    for (const fact of facts) {
      const listener = next.get(fact.listener)
      if (listener !== undefined && ![...before.values()].includes(listener)) hearBy(listener, fact)
    }
    const kept = new Set(next.values())
    for (const listener of before.values()) if (!kept.has(listener)) listener.stop()
    publishAll()
  }

  const stop = (): void => {
    clearInterval(timer)
    for (const waiting of soon.values()) clearTimeout(waiting)
    watch.close()
    binds.stop()
    for (const listener of running.values()) listener.stop()
  }
  const timer = setInterval(publishAll, publishMillis)
  try {
    await reconfigure(listeners, options.facts)
  } catch (error) {
    stop()
    throw error
  }
  return {
    hear: (fact) => {
      const listener = running.get(fact.listener)
      if (listener !== undefined) hearBy(listener, fact)
    },
    reconfigure,
    endSessions: async (end) => {
      const result = mergeEnded([...running.values()].map((one) => ({ ended: one.endSessions(end), troubles: [] })))
      publishAll()
      return result
    },
    listSessions: async () => {
      const { add, list } = collectSessions()
      for (const listener of running.values()) listener.list(add)
      return list()
    },
    unreachable: async (limit) => {
      const end = performance.now() + limit
      const isReachable = (): boolean =>
        [...running.keys()].some((name) => binds.statesOf(name).some(({ open }) => open))
      while (isReachable() && performance.now() < end) await setTimeoutPromise(lookMillis)
    },
    handles: binds.handles,
    goOn: () => {},
    retire: async () => {
      isRetired = true
      binds.stop()
      while (socketsInUse() > 0) await setTimeoutPromise(lookMillis)
      publishAll()
    },
    stop,
  }
}

const hearBy = (listener: ProxyListener, fact: DecidingFact): void => {
  if (fact.fact === 'writer') listener.setWriter(fact.server)
  else listener.hear(fact)
}

const bindsOf = (
  { name, bind }: ListenerConfig,
  index: number,
  listeners: ReadonlyMap<string, ProxyListener>,
): readonly Bind[] =>
  bind.map((endpoint, i) => ({
    endpoint,
    key: `listeners[${index}].bind[${i}]`,
    owner: name,
    accept: (socket) => listeners.get(name)?.accept(socket),
  }))
