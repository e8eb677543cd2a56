// One server of one listener under its checks: hears their results, keeps its state, and publishes what follows.

import type { Logger } from 'pino'
import { millis } from '../core/time.ts'
import type { Orders, ServerHealthFact, ServerTraffic } from '../pool/core/facts.ts'
import { serverKey } from '../pool/core/pool.ts'
import { isSameState } from '../pool/core/server-state.ts'
import { judgeFailures } from './core/passive.ts'
import type { CheckResult } from './core/result.ts'
import {
  afterEvent,
  checkStand,
  factOf,
  type HealthConfig,
  type HealthEvent,
  type ServerHealth,
  startHealth,
} from './core/server-health.ts'
import type { Place, Probes, Subscription } from './probes.ts'

/** A server under its checks. */
export type Target = {
  readonly config: () => HealthConfig
  readonly fact: () => ServerHealthFact
  /** Starts the checks. Throws `FailedStart`. */
  readonly start: () => void
  /** Takes over a configuration with the same checks, and publishes what that changes. */
  readonly adopt: (config: HealthConfig) => void
  readonly order: (orders: Partial<Orders>) => void
  readonly hearTraffic: (traffic: ServerTraffic) => void
  /** Clients wait: where the server is down, the next checks come soon. */
  readonly hearOfWaiting: () => void
  readonly stop: () => void
}

/** The pause between checks of a server that is down while clients wait, where `interval` is longer. */
const awaitedPause = millis(250)

export type TargetOptions = {
  readonly config: HealthConfig
  readonly place: Place
  readonly probes: Probes
  readonly log: Logger
  readonly publish: (fact: ServerHealthFact, changed: boolean) => void
  readonly inherited: ServerHealthFact | undefined
  /** Orders that outlive a change of the checks. */
  readonly orders: Orders | undefined
}

/** Makes a server that is not checked yet. */
export const createTarget = (options: TargetOptions): Target => {
  const { place, probes, log, publish, inherited, orders } = options
  let config = options.config
  const fresh = startHealth(config.listener.check.length, Date.now(), inherited)
  let health: ServerHealth = orders === undefined ? fresh : { ...fresh, orders }
  let fact = factOf(health, config)
  let traffic: ServerTraffic | undefined
  let subscriptions: readonly Subscription[] = []
  const names = { listener: config.listener.name, server: config.server.name }

  const tell = (): void => {
    const before = fact
    fact = factOf(health, config)
    publish(fact, !isSameState(before, fact))
  }
  const happened = (event: HealthEvent): void => {
    const wasInMaintenance = fact.admin === 'maint'
    health = afterEvent(health, config, event)
    tell()
    if (wasInMaintenance !== (fact.admin === 'maint')) {
      end()
      start()
    }
  }

  const hear = (check: number, result: CheckResult | 'late'): void => {
    const at = Date.now()
    if (result === 'late') {
      log.warn(names, `Check of ${serverKey(names.listener, names.server)} not counted: this process was late itself`)
      happened({ event: 'late', at })
      return
    }
    happened({ event: 'checked', check, result, at })
    const { malformedReport } = result
    const count = malformedReport === null ? 0 : (health.malformedReports[malformedReport] ?? 0)
    // Powers of two bound the rate of the log, however often a broken agent answers.
    if (count > 0 && Number.isInteger(Math.log2(count))) {
      log.warn({ ...names, malformedReport, count }, 'Malformed health report')
    }
  }
  const hearAgent = (result: CheckResult | 'late'): void => {
    if (result !== 'late' && result.passed) happened({ event: 'agent-line', line: result.text, at: Date.now() })
  }

  const start = (): void => {
    const { listener, server } = config
    const endpoint = server.address
    const agent = listener.agent_check
    const agents =
      agent === undefined
        ? []
        : [probes.subscribe({ kind: 'agent', endpoint, config: agent }, place, { hear: hearAgent, stand: () => 'up' })]
    subscriptions = [...subscriptions, ...agents]
    // In maintenance only the agent is listened to: it may be the one who ends it.
    if (fact.admin === 'maint') return
    for (const [i, check] of listener.check.entries()) {
      const hearer = {
        hear: (result: CheckResult | 'late') => hear(i, result),
        stand: () => checkStand(health, i, config.listener.check),
      }
      subscriptions = [...subscriptions, probes.subscribe({ kind: 'check', endpoint, config: check }, place, hearer)]
    }
  }
  const end = (): void => {
    for (const subscription of subscriptions) subscription.end()
    subscriptions = []
  }

  return {
    config: () => config,
    fact: () => fact,
    start,
    adopt: (next) => {
      config = next
      fact = factOf(health, config)
      publish(fact, true)
    },
    order: (wanted) => happened({ event: 'ordered', orders: wanted, at: Date.now() }),
    hearTraffic: (now) => {
      const verdict = judgeFailures(config.listener.observe, traffic, now)
      traffic = now
      if (verdict === 'nothing' || fact.admin === 'maint') return
      if (verdict !== 'fast_interval') {
        const markDown = verdict === 'mark_down'
        const text = `${now.connectFailures} connect failures of sessions so far`
        happened({ event: 'passive', markDown, text, at: Date.now() })
      }
      const pace = config.listener.check[0]
      for (const subscription of subscriptions) subscription.hurry(pace?.fast_interval ?? pace?.interval ?? millis(0))
    },
    hearOfWaiting: () => {
      if (!fact.up) for (const subscription of subscriptions) subscription.hurry(awaitedPause)
    },
    stop: end,
  }
}
