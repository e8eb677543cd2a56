// A simulated network of 2 to 5 routers that loses, delays, doubles and splits, until it is made whole.

import type { Settings } from '../../balancer/vrrp/core/state.ts'
import { type Clock, createClock } from './clock.ts'
import { createHost, type HostOptions, type SimulatedHost } from './host.ts'
import type { Random } from './random.ts'

/** How bad the network is. Delays are milliseconds. In an ordered one no packet overtakes another of the same host. */
export type Weather = {
  readonly loss: number
  readonly duplication: number
  readonly delay: number
  readonly isOrdered?: boolean
}

/** The network and its hosts. */
export type Lan = {
  readonly clock: Clock
  readonly hosts: readonly SimulatedHost[]
  readonly setWeather: (weather: Weather) => void
  /** Hosts in different groups do not hear each other. */
  readonly split: (groupOf: (host: SimulatedHost) => number) => void
  readonly refuseAddresses: (refuse: boolean) => void
  /** A line of the narrator. */
  readonly note: (text: string) => void
  /** All that happened, one line each. */
  readonly transcript: readonly string[]
}

const clear: Weather = { loss: 0, duplication: 0, delay: 0 }

/** What may be special about a network: how much its clocks may be wrong, as a part of 1, and its hosts. */
export type LanOptions = {
  readonly drifts?: number
  readonly special?: (host: number) => Pick<HostOptions, 'step' | 'onStep'>
}

/** A whole network in clear weather; all hosts are off. */
export const createLan = (
  routers: readonly Settings[],
  random: Random,
  { drifts = 0, special = () => ({}) }: LanOptions = {},
): Lan => {
  const clock = createClock()
  const transcript: string[] = []
  let weather = clear
  let groupOf: (host: SimulatedHost) => number = () => 0
  let isRefusing = false
  /** When the last packet from one host arrives at another, by both names. */
  const arrivals = new Map<string, number>()
  const flight = (from: SimulatedHost, to: SimulatedHost): number => {
    const delay = random.next() * weather.delay
    if (weather.isOrdered !== true) return delay
    const way = `${from.name} ${to.name}`
    const arrival = Math.max(clock.now() + delay, arrivals.get(way) ?? 0)
    arrivals.set(way, arrival)
    return arrival - clock.now()
  }

  const broadcast = (from: SimulatedHost, priority: number): void => {
    if (!from.isLinked()) return
    for (const to of hosts) {
      if (to === from || groupOf(to) !== groupOf(from)) continue
      for (const copies = random.chance(weather.duplication) ? [1, 2] : [1]; copies.pop() !== undefined; ) {
        if (random.chance(weather.loss)) continue
        clock.after(flight(from, to), () => {
          if (!to.isLinked()) return
          const { interval, version } = from.settings
          const heard = { from: from.address, interval }
          if (version === to.settings.version) to.learn({ event: 'advertisement-received', priority, ...heard })
          else {
            const differs = `speaks version ${version}, ours is ${to.settings.version}`
            to.learn({ event: 'deaf-master-heard', priority, differs, isYieldedTo: true, ...heard })
          }
        })
      }
    }
  }
  const hosts = routers.map((settings, i) =>
    createHost({
      settings,
      address: `198.18.0.${i + 1}`,
      clock,
      random,
      drift: 1 + (random.next() * 2 - 1) * drifts,
      broadcast,
      tell: (line) => transcript.push(`${clock.now().toFixed(1).padStart(10)} ms  ${line}`),
      isRefusing: () => isRefusing,
      ...special(i),
    }),
  )
  return {
    clock,
    hosts,
    setWeather: (next) => {
      weather = next
    },
    split: (next) => {
      groupOf = next
    },
    refuseAddresses: (refuse) => {
      isRefusing = refuse
    },
    note: (text) => transcript.push(`${text}`),
    transcript,
  }
}
