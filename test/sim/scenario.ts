// One seeded scenario: trouble for a while, then a network that is whole, and what must be true soon after.

import { millis } from '../../balancer/core/time.ts'
import type { Settings } from '../../balancer/vrrp/core/state.ts'
import { ownMasterDown } from '../../balancer/vrrp/core/transitions.ts'
import { type SimulatedHost, slowestNetlinkAnswer } from './host.ts'
import { createLan, type Lan, otherAddresses, usualAddresses } from './lan.ts'
import { createRandom, type Random } from './random.ts'

/** How a scenario ended: what went wrong, if anything, and all that happened. */
export type Outcome = { readonly problem: string | null; readonly transcript: readonly string[] }

const troubles = 12
const ownerPriority = 255
const quietIntervals = 5
/** Clocks are wrong by up to 1 %. */
const worstDrift = 0.01
/** Until the announcements are over that may be under way. */
const announcing = 6000
const groups: readonly [readonly string[], readonly string[]] = [usualAddresses, otherAddresses]

/** Says what is wrong with a network that has been whole for long enough; null when nothing is. */
export type Invariant = (hosts: readonly SimulatedHost[]) => string | null

/** The report of a scenario that failed: the end of all that happened in it, and how to play it again. */
export const failureOf = (name: string, seed: number, { problem, transcript }: Outcome): readonly string[] => [
  ...transcript.slice(-shownLines),
  `seed ${seed}: ${problem}; replay: SIM_SEED=${seed} npx tap dist/test/sim/${name}.test.js`,
]
const shownLines = 200

/** Plays the scenario of a seed, and demands what must be true at its end. */
export const playScenario = (seed: number, invariant: Invariant = problem): Outcome => {
  const random = createRandom(seed)
  const routers = chooseRouters(random)
  // Another group has the same number, and hosts may change from one to the other.
  const hasGroups = random.chance(0.3)
  const places = routers.map(() => random.pick(groups))
  const lan = createLan(routers, random, {
    drifts: worstDrift,
    special: (i) => ({ addresses: (hasGroups ? places[i] : undefined) ?? usualAddresses }),
  })
  try {
    makeTrouble(lan, random, hasGroups)
    return { problem: settle(lan, random, invariant), transcript: lan.transcript }
  } catch (error) {
    return { problem: error instanceof Error ? error.message : String(error), transcript: lan.transcript }
  }
}

const chooseRouters = (random: Random): readonly Settings[] => {
  const interval = millis(random.pick([10, 100, 1000]))
  const version = random.pick<2 | 3>([2, 3])
  const preempt = random.pick(['all', 'none', 'some'])
  const hasTies = random.chance(0.3)
  const owner = random.chance(0.1)
  const delays = random.chance(0.2)
  const delay = millis(random.pick([0, 5000]))
  return Array.from({ length: random.integer(2, 5) }, (_, i) => ({
    name: `lb${i + 1}`,
    version: interval === 1000 ? version : 3,
    priority: owner && i === 0 ? 255 : hasTies ? random.pick([100, 150]) : random.integer(1, 50) * 5 + i - 4,
    interval,
    preempt: preempt === 'all' || (preempt === 'some' && random.chance(0.5)),
    preemptDelay: millis(delays ? random.integer(0, 4) * interval : 0),
    announcements: { repeat: 5, delay, refresh: null, refreshRepeat: 1 },
  })).map((settings) => ({ ...settings, priority: Math.max(1, settings.priority) }))
}

const makeTrouble = (lan: Lan, random: Random, hasGroups: boolean): void => {
  const { clock, hosts } = lan
  const interval = hosts[0]?.settings.interval ?? millis(0)
  for (const host of hosts) clock.after(random.next() * interval * 4, () => host.boot(false))
  for (let i = 0; i < troubles; i += 1) {
    clock.runUntil(clock.now() + random.next() * interval * 6)
    const host = random.pick([hosts[0], ...hosts.slice(1)])
    if (host === undefined) continue
    if (hasGroups && random.chance(0.2)) host.readdress(random.pick(groups))
    else if (random.chance(0.5)) causeTrouble(lan, host, random)
    else causeOrders(lan, host, random)
  }
}

/** What operators and tracking do. */
const causeOrders = (lan: Lan, host: SimulatedHost, random: Random): void => {
  const { clock } = lan
  const { interval } = host.settings
  switch (random.integer(1, 8)) {
    case 1:
    case 2:
      // An address owner keeps its priority.
      if (host.settings.priority < ownerPriority) host.weigh(random.chance(0.2) ? null : random.integer(1, 50) * 5)
      return
    case 3:
      host.learn({ event: 'handover-ordered' })
      return
    case 4:
      host.learn({ event: 'handover-revoked' })
      return
    case 5:
      host.maintain(random.chance(0.6))
      return
    case 6:
      host.fail(random.chance(0.6) ? 'a check fails' : null)
      return
    case 7:
      if (host.settings.priority < ownerPriority) {
        host.reload(random.chance(0.5) ? host.router().settings.priority : random.integer(1, 50) * 5)
      }
      return
    default:
      host.shutDown(() => clock.after(random.next() * interval * 8, () => host.boot(false)))
  }
}

const causeTrouble = (lan: Lan, host: SimulatedHost, random: Random): void => {
  const { clock } = lan
  const { interval } = host.settings
  switch (random.integer(1, 9)) {
    case 1:
      lan.setWeather({ loss: random.next() * 0.5, duplication: random.next() * 0.3, delay: random.next() * interval })
      return
    case 2: {
      const sides = new Map(lan.hosts.map((one) => [one, random.integer(1, 2)]))
      lan.split((one) => sides.get(one) ?? 1)
      return
    }
    case 3:
      lan.split(() => 1)
      return
    case 4:
      host.stall()
      clock.after(random.next() * interval * 10, host.wake)
      return
    case 5: {
      // Its parent restarts it as master only if that was quick.
      const outage = random.next() * interval * 8
      const wasMaster = host.isAlive() && host.router().state === 'master'
      host.crash()
      clock.after(outage, () => host.boot(wasMaster && outage < ownMasterDown(host.router().settings)))
      return
    }
    case 6:
      host.setLink(host.isLinked() ? 'down' : 'up')
      return
    case 7:
      host.dropAddress()
      return
    case 8:
      host.mute(random.chance(0.6))
      return
    default:
      lan.refuseAddresses(random.chance(0.5))
  }
}

/** Makes the network whole, waits for a master down interval and a little, and says what is wrong then. */
const settle = (lan: Lan, random: Random, invariant: Invariant): string | null => {
  const { clock, hosts } = lan
  const interval = hosts[0]?.settings.interval ?? 0
  // An effective priority may be anything from 1.
  const longest =
    Math.max(...hosts.map(({ settings }) => ownMasterDown({ ...settings, priority: 1 }))) * (1 + 2 * worstDrift)
  lan.refuseAddresses(false)
  lan.split(() => 1)
  lan.setWeather({ loss: 0, duplication: 0, delay: (random.next() * interval) / 20 })
  for (const host of hosts) {
    host.wake()
    if (!host.isLinked()) host.setLink('up')
    host.mute(false)
    host.fail(null)
    host.maintain(false)
    if (random.chance(0.5)) host.weigh(null)
    host.boot(false)
  }
  // Packets of the bad weather and answers of the kernel may still be under way.
  clock.runUntil(clock.now() + Math.max(interval, slowestNetlinkAnswer))
  // Whoever stops is given the time for it, and started again.
  const isStopping = hosts.some((host) => host.router().state === 'leaving')
  if (isStopping) clock.runUntil(clock.now() + longest)
  for (const host of hosts) host.boot(false)
  // Whoever was refused its addresses waits before it listens again.
  const isWaiting = hosts.some((host) => host.router().state === 'fault')
  const patience = Math.max(...hosts.map(({ settings }) => settings.preemptDelay))
  clock.runUntil(
    clock.now() +
      longest * (isWaiting ? 2 : 1) +
      interval +
      (patience > 0 ? patience * (1 + 2 * worstDrift) + longest : 0),
  )
  const absent = hosts.filter((host) => !['master', 'backup'].includes(host.router().state))
  if (absent.length > 0) return `takes no part: ${names(absent)}`
  const found = invariant(hosts)
  if (found !== null) return found
  if (random.chance(0.2)) clock.runUntil(clock.now() + announcing)
  const stale = staleClients(lan)
  if (stale !== null) return stale

  const before = hosts.map((host) => host.router().state).join()
  clock.runUntil(clock.now() + quietIntervals * interval)
  const after = hosts.map((host) => host.router().state).join()
  return before === after ? invariant(hosts) : `states changed in a quiet network: ${before}, then ${after}`
}

/** What is wrong with a network at rest; null: each group has one master, and the best of those that want to be it. */
export const problem: Invariant = (hosts) => {
  const found = groups.map((addresses) => hosts.filter((host) => host.addresses().join() === addresses.join()))
  return found.map((members) => (members.length === 0 ? null : problemOf(members))).find((one) => one !== null) ?? null
}

/**
 * Clients know an address where it was announced last, or where somebody answered for it since; null: that is at its master.
 * What nobody could hear, nobody can mend.
 */
const staleClients = ({ hosts, isUnheard }: Lan): string | null => {
  for (const master of hosts.filter((host) => host.router().state === 'master')) {
    const router = master.router()
    if (router.state === 'master' && router.announcements.length > 0) continue
    const addresses = master.addresses().join()
    const last = hosts.find((host) => {
      const couldTell = !isUnheard(host, addresses) && !host.leftSilently(addresses)
      return host !== master && couldTell && host.unseenSince(addresses) > master.announcedAt(addresses)
    })
    if (last !== undefined) return `clients know the address at ${last.name}, and not at ${master.name}`
  }
  return null
}

const problemOf: Invariant = (hosts) => {
  const masters = hosts.filter((host) => host.router().state === 'master')
  const holders = hosts.filter((host) => host.holds())
  const [master] = masters
  if (master === undefined || masters.length !== 1) return `masters: ${names(masters)}`
  if (holders.length !== 1 || holders[0] !== master)
    return `master: ${master.name}, holding the address: ${names(holders)}`
  const { priority } = master.router().settings
  const better = hosts.filter((host) => {
    const { settings, standsBack, isUnheard } = host.router()
    const mayPreempt = (settings.preempt || settings.priority === ownerPriority) && !standsBack && !isUnheard
    return host.isFit() && settings.priority > priority && mayPreempt
  })
  return better.length === 0 ? null : `master: ${master.name}, although there is ${names(better)}`
}

const names = (hosts: readonly SimulatedHost[]): string =>
  hosts.map((host) => `${host.name} (${host.router().settings.priority})`).join(', ') || 'none'
