// Turns the results of checks, agents' lines, sessions' failures and operators' orders into facts about each server.

import type { Logger } from 'pino'
import type { ListenerConfig } from '../config/schema.ts'
import type { ListenerFact, Orders, ServerHealthFact } from '../pool/core/facts.ts'
import { formersOf } from '../pool/core/formers.ts'
import { queuedIn } from '../pool/core/listener-fact.ts'
import { serverKey } from '../pool/core/pool.ts'
import { createShortageLog } from '../shortage-log.ts'
import type { HealthConfig } from './core/server-health.ts'
import { type Place, type Probes, startProbes } from './probes.ts'
import { createTarget, type PreparedChange, type Target } from './target.ts'

/** The running checks. */
export type Checker = {
  /**
   * Goes on with other listeners; a server that stays keeps its state, also where its checks change. Throws `FailedStart`
   * and changes nothing when a new check cannot be started.
   */
  readonly reconfigure: (listeners: readonly ListenerConfig[]) => void
  /** Orders of an operator: what the server is then; undefined where there is no such server. */
  readonly order: (listener: string, server: string, orders: Partial<Orders>) => ServerHealthFact | undefined
  /** Sessions' connect failures of a listener, and whether clients wait there. */
  readonly hearTraffic: (fact: ListenerFact) => void
  /** Checks that run; servers that are checked alike share them. */
  readonly probes: () => number
  readonly stop: () => void
}

/**
 * What starts the checks. `inherited` are facts that a director before this one published; `changed` tells whether more
 * than the last check differs from the fact before.
 */
export type CheckerOptions = {
  readonly listeners: readonly ListenerConfig[]
  readonly inherited: (listener: string, server: string) => ServerHealthFact | undefined
  /** What an operator ordered of a server before this program started; undefined where that is nothing. */
  readonly ordered?: (listener: string, server: string) => Orders | undefined
  readonly log: Logger
  readonly publish: (fact: ServerHealthFact, changed: boolean) => void
}

/** Starts checking every server of every listener; the first checks are made at once. Throws `FailedStart`. */
export const startChecker = ({ listeners, inherited, ordered, log, publish }: CheckerOptions): Checker => {
  const probes: Probes = startProbes()
  const onShortage = createShortageLog(log)
  let targets = new Map<string, Target>()
  let configured: readonly ListenerConfig[] = []

  const reconfigure = (next: readonly ListenerConfig[]): void => {
    const wanted = next.flatMap((listener) => listener.servers.map((server) => ({ listener, server })))
    const made: Target[] = []
    const after = new Map<string, Target>()
    const kept = new Map<Target, PreparedChange>()
    const formers = formersOf(configured, next)
    const formerOf = ({ listener, server }: HealthConfig): Target | undefined => {
      const [oldListener, oldServer] = [formers.listener(listener), formers.server(listener, server)]
      return oldListener && oldServer && targets.get(serverKey(oldListener.name, oldServer.name))
    }
    try {
      for (const [index, config] of wanted.entries()) {
        const key = serverKey(config.listener.name, config.server.name)
        const place: Place = { index, of: wanted.length }
        const former = formerOf(config)
        if (former !== undefined) {
          kept.set(former, former.prepare(config, place))
          after.set(key, former)
          continue
        }
        const before = targets.get(key)
        const names = [config.listener.name, config.server.name] as const
        const known = before === undefined ? inherited(...names) : undefined
        const target = createTarget({
          config,
          place,
          probes,
          log,
          publish,
          inherited: known,
          orders: before?.fact().orders ?? (known === undefined ? ordered?.(...names) : undefined),
          onShortage,
        })
        made.push(target)
        after.set(key, target)
        target.start()
      }
    } catch (error) {
      for (const target of made) target.stop()
      for (const change of kept.values()) change.cancel()
      throw error
    }
    for (const target of targets.values()) if (!kept.has(target)) target.stop()
    for (const target of after.values()) {
      const change = kept.get(target)
      if (change === undefined) publish(target.fact(), true)
      else change.apply()
    }
    targets = after
    configured = next
  }
  try {
    reconfigure(listeners)
  } catch (error) {
    probes.stop()
    throw error
  }

  return {
    reconfigure,
    order: (listener, server, orders) => {
      const target = targets.get(serverKey(listener, server))
      target?.order(orders)
      return target?.fact()
    },
    hearTraffic: (fact) => {
      for (const traffic of fact.servers) {
        const target = targets.get(serverKey(fact.listener, traffic.server))
        target?.hearTraffic(traffic)
        if ((queuedIn(fact) ?? 0) > 0) target?.hearOfWaiting()
      }
    },
    probes: probes.count,
    stop: () => {
      for (const target of targets.values()) target.stop()
      probes.stop()
    },
  }
}
