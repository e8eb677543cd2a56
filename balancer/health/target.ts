// One server of one listener under its checks: hears their results, keeps its state, and publishes what follows.

import { isDeepStrictEqual } from 'node:util'
import type { Logger } from 'pino'
import type { Endpoint } from '../core/endpoint.ts'
import { millis } from '../core/time.ts'
import type { Orders, ServerHealthFact, ServerTraffic } from '../pool/core/facts.ts'
import { serverKey } from '../pool/core/pool.ts'
import { isSameState } from '../pool/core/server-state.ts'
import type { ShortageLog } from '../shortage-log.ts'
import { judgeFailures } from './core/passive.ts'
import type { CheckResult } from './core/result.ts'
import {
  afterEvent,
  afterReconfiguration,
  checkStand,
  factOf,
  type HealthConfig,
  type HealthEvent,
  type ServerHealth,
  startHealth,
} from './core/server-health.ts'
import type { Place, Probes, Subscription } from './probes.ts'
import type { Hearer } from './scheduled-probe.ts'

/** A server under its checks. */
export type Target = {
  readonly config: () => HealthConfig
  readonly fact: () => ServerHealthFact
  /** Starts the checks. Throws `FailedStart`. */
  readonly start: () => void
  /** Begins the checks of another configuration of the same server beside those that run. Throws `FailedStart`. */
  readonly prepare: (config: HealthConfig, place: Place) => PreparedChange
  readonly order: (orders: Partial<Orders>) => void
  readonly hearTraffic: (traffic: ServerTraffic) => void
  /** Clients wait: where the server is down, the next checks come soon. */
  readonly hearOfWaiting: () => void
  readonly stop: () => void
}

/**
 * A change of a configuration that can be made or called off, before anything else happens. `apply` keeps what is known of
 * the server, and publishes what the change makes of it.
 */
export type PreparedChange = { readonly apply: () => void; readonly cancel: () => void }
/** The pause between checks of a server that is down while clients wait, where `interval` is longer. */
const awaitedPause = millis(250)

export type TargetOptions = {
  readonly config: HealthConfig
  readonly place: Place
  readonly probes: Probes
  readonly log: Logger
  readonly publish: (fact: ServerHealthFact, changed: boolean) => void
  readonly inherited: ServerHealthFact | undefined
  /** A check could not be made for want of something on this host. */
  readonly onShortage: ShortageLog
  /** Orders that outlive a change of the address. */
  readonly orders: Orders | undefined
}

/** Makes a server that is not checked yet. */
export const createTarget = (options: TargetOptions): Target => {
  const { probes, log, publish, inherited, orders, onShortage } = options
  let { config, place } = options
  const fresh = startHealth(config.listener.check, Date.now(), inherited)
  let health: ServerHealth = orders === undefined ? fresh : { ...fresh, orders }
  let fact = factOf(health, config)
  let traffic: ServerTraffic | undefined
  let subscriptions: readonly Subscription[] = []
  const names = () => ({ listener: config.listener.name, server: config.server.name })

  const factNow = (): ServerHealthFact => ({
    ...factOf(health, config),
    watched: subscriptions.some(({ isWatched }) => isWatched()),
  })
  const tell = (): void => {
    const before = fact
    fact = factNow()
    publish(fact, !isSameState(before, fact))
  }
  const happened = (event: HealthEvent): void => {
    const wasInMaintenance = fact.admin === 'maint'
    health = afterEvent(health, config, event)
    tell()
    if (wasInMaintenance !== (fact.admin === 'maint')) {
      end(subscriptions)
      subscriptions = begin(config, fact)
    }
  }

  const hear = (check: number, result: CheckResult | 'late'): void => {
    const at = Date.now()
    if (result === 'late') {
      log.warn(
        names(),
        `Check of ${serverKey(names().listener, names().server)} not counted: this process was late itself`,
      )
      happened({ event: 'late', at })
      return
    }
    if (result.shortage !== null)
      onShortage(result.shortage, `checks, now of ${serverKey(names().listener, names().server)}`)
    happened({ event: 'checked', check, result, at })
    const { malformedReport } = result
    if (malformedReport !== null) warn(malformedReport, 'Malformed health report')
  }
  /** Powers of two bound the rate of the log, however often a broken agent answers. */
  const warn = (malformedReport: string, text: string): void => {
    const count = health.malformedReports[malformedReport] ?? 0
    if (count > 0 && Number.isInteger(Math.log2(count))) log.warn({ ...names(), malformedReport, count }, text)
  }
  const hearFault = (reason: string): void => {
    happened({ event: 'stream-fault', reason, at: Date.now() })
    warn(`watch-${reason}`, 'The stream of the agent is none: it is polled instead')
  }
  const hearAgent = (result: CheckResult | 'late'): void => {
    if (result === 'late') return
    const { text, shortage } = result
    const at = Date.now()
    // What this host lacks says nothing of the agent.
    if (shortage !== null) onShortage(shortage, `agent checks, now of ${serverKey(names().listener, names().server)}`)
    else happened(result.passed ? { event: 'agent-line', line: text, at } : { event: 'agent-silent', text, at })
  }

  /** Asks for the checks that a server in this state needs. */
  const begin = ({ listener, server }: HealthConfig, { admin }: ServerHealthFact): readonly Subscription[] => {
    const endpoint = server.address
    const agent = listener.agent_check
    const begun: Subscription[] = []
    try {
      if (agent !== undefined) {
        const hearer: Hearer = { hear: hearAgent, stand: () => 'up' }
        begun.push(probes.subscribe({ kind: 'agent', endpoint, config: agent }, place, hearer))
      }
      // In maintenance only the agent is listened to: it may be the one who ends it.
      for (const [i, check] of (admin === 'maint' ? [] : listener.check).entries()) {
        const hearer = {
          hear: (result: CheckResult | 'late') => hear(i, result),
          stand: () => checkStand(health, i, config.listener.check),
          watched: tell,
          fault: hearFault,
        }
        const directReturn = directReturnOf(listener)
        begun.push(probes.subscribe({ kind: 'check', endpoint, config: check, directReturn }, place, hearer))
      }
    } catch (error) {
      end(begun)
      throw error
    }
    return begun
  }
  const end = (some: readonly Subscription[]): void => {
    for (const subscription of some) subscription.end()
  }
  const adopt = (next: HealthConfig): void => {
    config = next
    fact = factNow()
    publish(fact, true)
  }

  return {
    config: () => config,
    fact: () => fact,
    start: () => {
      subscriptions = begin(config, fact)
    },
    prepare: (next, nextPlace) => {
      if (isCheckedAlike(config, next)) return { apply: () => adopt(next), cancel: () => {} }
      const after = afterReconfiguration(health, config, next, Date.now())
      const begun = begin(next, factOf(after, next))
      return {
        apply: () => {
          end(subscriptions)
          subscriptions = begun
          place = nextPlace
          health = after
          adopt(next)
        },
        cancel: () => end(begun),
      }
    },
    order: (wanted) => happened({ event: 'ordered', orders: wanted, at: Date.now() }),
    hearTraffic: (now) => {
      const verdict = judgeFailures(config.listener.observe, traffic, now)
      traffic = now
      if (verdict === 'nothing' || fact.admin === 'maint') return
      if (verdict !== 'fast_interval') {
        const markDown = verdict === 'mark_down'
        const text = `${now.connectFailures ?? 'several'} connect failures of sessions so far`
        happened({ event: 'passive', markDown, text, at: Date.now() })
      }
      const pace = config.listener.check[0]
      for (const subscription of subscriptions) subscription.hurry(pace?.fast_interval ?? pace?.interval ?? millis(0))
    },
    hearOfWaiting: () => {
      if (!fact.up) for (const subscription of subscriptions) subscription.hurry(awaitedPause)
    },
    stop: () => {
      end(subscriptions)
      subscriptions = []
    },
  }
}

const isCheckedAlike = (one: HealthConfig, other: HealthConfig): boolean =>
  isDeepStrictEqual(one.listener.check, other.listener.check) &&
  isDeepStrictEqual(directReturnOf(one.listener), directReturnOf(other.listener)) &&
  isDeepStrictEqual(one.listener.agent_check, other.listener.agent_check)

/** Where clients come in whom the servers of a listener answer themselves. */
const directReturnOf = ({ datapath, bind }: HealthConfig['listener']): readonly Endpoint[] =>
  datapath === 'direct' ? bind : []
