// Turns the results of checks, agents' lines, sessions' failures and operators' orders into facts about each server.

import { isDeepStrictEqual } from 'node:util'
import type { Logger } from 'pino'
import type { ListenerConfig } from '../config/schema.ts'
import type { ListenerFact, Orders, ServerHealthFact } from '../pool/core/facts.ts'
import { serverKey } from '../pool/core/pool.ts'
import { type Place, type Probes, startProbes } from './probes.ts'
import { createTarget, type Target } from './target.ts'

/** The running checks. */
export type Checker = {
  /**
   * Goes on with other listeners; what is checked as before keeps its state. Throws `FailedStart` and changes nothing when
   * a new check cannot be started.
   */
  readonly reconfigure: (listeners: readonly ListenerConfig[]) => void
  /** Orders of an operator; false where there is no such server. */
  readonly order: (listener: string, server: string, orders: Partial<Orders>) => boolean
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
  readonly log: Logger
  readonly publish: (fact: ServerHealthFact, changed: boolean) => void
}

/** Starts checking every server of every listener; the first checks are made at once. Throws `FailedStart`. */
export const startChecker = ({ listeners, inherited, log, publish }: CheckerOptions): Checker => {
  const probes: Probes = startProbes()
  let targets = new Map<string, Target>()

  const reconfigure = (next: readonly ListenerConfig[]): void => {
    const wanted = next.flatMap((listener) => listener.servers.map((server) => ({ listener, server })))
    const made: Target[] = []
    const after = new Map<string, Target>()
    const kept = new Set<Target>()
    try {
      for (const [index, config] of wanted.entries()) {
        const key = serverKey(config.listener.name, config.server.name)
        const before = targets.get(key)
        const place: Place = { index, of: wanted.length }
        if (before !== undefined && isCheckedAlike(before.config(), config)) {
          kept.add(before)
          after.set(key, before)
          continue
        }
        const orders = before?.fact().orders
        const target = createTarget({
          config,
          place,
          probes,
          log,
          publish,
          inherited: before === undefined ? inherited(config.listener.name, config.server.name) : undefined,
          orders,
        })
        made.push(target)
        after.set(key, target)
        target.start()
      }
    } catch (error) {
      for (const target of made) target.stop()
      throw error
    }
    for (const target of targets.values()) if (!kept.has(target)) target.stop()
    for (const config of wanted) after.get(serverKey(config.listener.name, config.server.name))?.adopt(config)
    targets = after
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
      return target !== undefined
    },
    hearTraffic: (fact) => {
      for (const traffic of fact.servers) {
        const target = targets.get(serverKey(fact.listener, traffic.server))
        target?.hearTraffic(traffic)
        if (fact.queued > 0) target?.hearOfWaiting()
      }
    },
    probes: probes.count,
    stop: () => {
      for (const target of targets.values()) target.stop()
      probes.stop()
    },
  }
}

type Configured = ReturnType<Target['config']>

const isCheckedAlike = (one: Configured, other: Configured): boolean =>
  isDeepStrictEqual(one.server.address, other.server.address) &&
  isDeepStrictEqual(one.listener.check, other.listener.check) &&
  isDeepStrictEqual(one.listener.agent_check, other.listener.agent_check)
