// The checks that run: one per address and way of checking, however many listeners want to know.

import { performance } from 'node:perf_hooks'
import type { AgentCheckConfig, CheckConfig } from '../config/schema.ts'
import { type Endpoint, endpointText } from '../core/endpoint.ts'
import { type Family, familyOf } from '../core/ip-address.ts'
import { millis } from '../core/time.ts'
import type { Outcome } from '../os/outcome.ts'
import type { Pinger } from '../os/ping.ts'
import { type ReservedPort, reservePort } from '../os/quiet-connection.ts'
import { createAgentCheckProbe } from './checks/agent-check.ts'
import { createHttpProbe } from './checks/http.ts'
import { createIcmpProbe, openSharedPinger } from './checks/icmp.ts'
import { createMysqlProbe } from './checks/mysql.ts'
import type { Probe } from './checks/probe.ts'
import { createTcpProbe } from './checks/tcp.ts'
import { firstCheckAt, secondCheckAt } from './core/schedule.ts'
import { type Hearer, type ScheduledProbe, startScheduledProbe } from './scheduled-probe.ts'
import { startStallWatch } from './stall-watch.ts'
import { sharedStreams } from './streams.ts'

/**
 * What to check: a server by one of its checks, or the agent beside it. `directReturn` are the binds of a listener whose
 * servers answer clients themselves.
 */
export type Wanted =
  | {
      readonly kind: 'check'
      readonly endpoint: Endpoint
      readonly config: CheckConfig
      readonly directReturn: readonly Endpoint[]
    }
  | { readonly kind: 'agent'; readonly endpoint: Endpoint; readonly config: AgentCheckConfig }

/** A place among those who are told. */
export type Subscription = Pick<ScheduledProbe, 'hurry' | 'isWatched'> & { readonly end: () => void }

/** All running checks, and the streams beside them. */
export type Probes = {
  /** Adds a hearer; the check starts with the first one and ends with the last. Throws `FailedStart`. */
  readonly subscribe: (wanted: Wanted, place: Place, hearer: Hearer) => Subscription
  readonly count: () => number
  readonly stop: () => void
}

/** The place of a server among all, which spreads their checks over time. */
export type Place = { readonly index: number; readonly of: number }

/** No check runs yet. */
export const startProbes = (): Probes => {
  const running = new Map<string, ScheduledProbe>()
  const streams = sharedStreams()
  const stalls = startStallWatch()
  const pingers = new Map<Family, Pinger>()
  const pingerFor = (family: Family): Pinger => {
    const pinger = pingers.get(family) ?? openSharedPinger(family)
    pingers.set(family, pinger)
    return pinger
  }
  const reserved = new Map<Family, ReservedPort | null>()
  const reservedFor = (family: Family): ReservedPort | null => {
    const port = reserved.get(family) ?? valueIn(reservePort(family))
    reserved.set(family, port)
    return port
  }

  const create = (wanted: Wanted): Probe => {
    const { endpoint } = wanted
    if (wanted.kind === 'agent') return createAgentCheckProbe(endpoint.address, wanted.config)
    const family = familyOf(endpoint.address)
    return createCheck(endpoint, wanted, {
      pinger: () => pingerFor(family),
      reserved: () => reservedFor(family),
    })
  }
  const start = (wanted: Wanted, { index, of }: Place): ScheduledProbe => {
    const now = millis(performance.now())
    const { interval } = wanted.config
    const probe = create(wanted)
    return startScheduledProbe({
      probe,
      pace: wanted.config,
      firstAt: firstCheckAt(now, interval, index, of),
      secondAt: secondCheckAt(now, interval, index, of),
      stalls,
      watching: probe.watch === undefined ? null : { probe: probe.watch, subscribe: streams(probe.watch.source) },
    })
  }

  return {
    subscribe: (wanted, place, hearer) => {
      const key = keyOf(wanted)
      const probe = running.get(key) ?? start(wanted, place)
      if (running.has(key)) probe.hurry(millis(0))
      running.set(key, probe)
      probe.hearers.add(hearer)
      return {
        hurry: probe.hurry,
        isWatched: probe.isWatched,
        end: () => {
          probe.hearers.delete(hearer)
          if (probe.hearers.size > 0 || running.get(key) !== probe) return
          probe.stop()
          running.delete(key)
        },
      }
    },
    count: () => running.size,
    stop: () => {
      for (const probe of running.values()) probe.stop()
      running.clear()
      stalls.stop()
      for (const shared of [...pingers.values(), ...reserved.values()]) shared?.close()
    },
  }
}

/** Two checks with the same key ask the same question at the same times; how many answers it takes is each server's own. */
const keyOf = (wanted: Wanted): string => {
  const { kind, endpoint, config } = wanted
  const ownPort = 'port' in config && config.port !== undefined ? config.port : endpoint.port
  const where =
    'type' in config && config.type === 'icmp'
      ? endpoint.address
      : endpointText({ address: endpoint.address, port: ownPort })
  const binds = kind === 'check' && wanted.config.type === 'http' ? wanted.directReturn : []
  return JSON.stringify([kind, where, { ...config, port: null, rise: null, fall: null }, binds])
}

const valueIn = <T>(outcome: Outcome<T>): T | null => (outcome.ok ? outcome.value : null)

const createCheck = (
  endpoint: Endpoint,
  { config, directReturn }: Extract<Wanted, { readonly kind: 'check' }>,
  shared: { readonly pinger: () => Pinger; readonly reserved: () => ReservedPort | null },
): Probe => {
  switch (config.type) {
    case 'http':
      return createHttpProbe(endpoint.address, config, directReturn)
    case 'tcp':
      return createTcpProbe(endpoint, config, shared.reserved())
    case 'mysql':
      return createMysqlProbe(endpoint, config)
    case 'icmp':
      return createIcmpProbe(endpoint.address, config, shared.pinger())
    default:
      return config satisfies never
  }
}
