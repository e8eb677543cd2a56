// A simulated network of 2 to 5 routers that loses, delays, doubles and splits, until it is made whole.

import { encodeAdvertisement } from '../../balancer/vrrp/core/advertisement.ts'
import { vrrpGroup } from '../../balancer/vrrp/core/datagram.ts'
import { type Decoded, receiveAdvertisement } from '../../balancer/vrrp/core/reception.ts'
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
  /** Whether somebody did not hear the last word of a host about these addresses, or its priority 0. */
  readonly isUnheard: (host: SimulatedHost, addresses: string) => boolean
  /** All that happened, one line each. */
  readonly transcript: readonly string[]
}

type Sent = { readonly priority: number; readonly addresses: readonly string[] }

const virtualRouterId = 51
const resigning = 0
const clear: Weather = { loss: 0, duplication: 0, delay: 0 }

/** What may be special about a network: how much its clocks may be wrong, as a part of 1, and its hosts. */
export type LanOptions = {
  readonly drifts?: number
  readonly special?: (host: number) => Special
}

/** `peers`: it speaks and listens to these alone, by unicast. */
export type Special = Partial<Pick<HostOptions, 'step' | 'onStep' | 'addresses'>> & {
  readonly peers?: readonly string[]
}

/** The virtual addresses of a host, and those of another group. */
export const [usualAddresses, otherAddresses] = [['198.18.0.100'], ['198.18.0.200', '198.18.0.201']] as const

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

  const peersOf = (host: SimulatedHost): readonly string[] | null => special(hosts.indexOf(host)).peers ?? null
  const speaksTo = (from: SimulatedHost, to: SimulatedHost): boolean => peersOf(from)?.includes(to.address) ?? true
  /** Each packet is written and read by the real codec, those that are alike once. */
  const packets = new Map<string, Decoded>()
  const read = (from: SimulatedHost, to: SimulatedHost, sent: Sent): Decoded => {
    const key = [from.name, to.name, sent.priority, sent.addresses, to.addresses()].join(' ')
    const known = packets.get(key)
    if (known !== undefined) return known
    const destination = peersOf(from) === null ? vrrpGroup.ipv4 : to.address
    const { version, interval } = from.settings
    const wire = { source: from.address, destination, password: null, pseudoHeader: true }
    const payload = encodeAdvertisement({ ...sent, version, interval, virtualRouterId }, wire)
    const decoded = receiveAdvertisement(
      { source: from.address, destination, isFar: false, isOnLink: true, payload },
      {
        version: to.settings.version,
        interval: to.settings.interval,
        addresses: to.addresses(),
        virtualRouterId,
        password: null,
        family: 'ipv4',
        own: to.address,
        peers: peersOf(to),
      },
    )
    packets.set(key, decoded)
    return decoded
  }
  const unheard = new Set<string>()
  const broadcast: HostOptions['broadcast'] = (from, priority, isLost) => {
    const isLast = priority === resigning || from.router().state !== 'master'
    const word = `${from.name} ${from.addresses().join()}`
    if (!isLast) unheard.delete(word)
    const miss = (): void => {
      if (isLast) unheard.add(word)
    }
    const sent = { priority, addresses: from.addresses() }
    for (const to of hosts) {
      if (to === from) continue
      if (isLost || !speaksTo(from, to) || !from.isLinked() || groupOf(to) !== groupOf(from)) {
        miss()
        continue
      }
      for (const copies = random.chance(weather.duplication) ? [1, 2] : [1]; copies.pop() !== undefined; ) {
        if (random.chance(weather.loss)) {
          miss()
          continue
        }
        clock.after(flight(from, to), () => {
          if (!to.isLinked() || to.isStalled() || !to.isAlive()) miss()
          if (!to.isLinked()) return
          to.hear(read(from, to, sent))
        })
      }
    }
  }
  const hosts = routers.map((settings, i) =>
    createHost({
      settings,
      address: `198.18.0.${i + 1}`,
      addresses: usualAddresses,
      clock,
      random,
      drift: 1 + (random.next() * 2 - 1) * drifts,
      broadcast,
      tell: (line) => transcript.push(`${clock.now().toFixed(1).padStart(10)} ms  ${line}`),
      isRefusing: () => isRefusing,
      ...hostOptions(special(i)),
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
    isUnheard: (host, addresses) => unheard.has(`${host.name} ${addresses}`),
    note: (text) => transcript.push(`${text}`),
    transcript,
  }
}

const hostOptions = ({ peers: _, ...options }: Special): Omit<Special, 'peers'> => options
