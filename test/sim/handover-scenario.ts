// One seeded scenario of hand-overs in a whole network: priorities change, operators order, hosts stop and return.

import { millis } from '../../balancer/core/time.ts'
import type { Settings } from '../../balancer/vrrp/core/state.ts'
import { ownMasterDown } from '../../balancer/vrrp/core/transitions.ts'
import { classicStep } from './classic.ts'
import { createWatch, type Watch } from './handover-watch.ts'
import { type SimulatedHost, slowestNetlinkAnswer } from './host.ts'
import { createLan, type Lan } from './lan.ts'
import { createRandom, type Random } from './random.ts'
import { type Outcome, problem } from './scenario.ts'

const causes = 10
const quietIntervals = 5
/** How long a host that was stopped is off, in intervals. */
const longestStop = 8
/** What one cause may lead to: a yield, a race of backups, and the best one in the end. */
const mostChanges = 3
/** Clocks are wrong by up to 1 %. */
const worstDrift = 0.01
/** The longest delay of a packet, as a part of the interval. */
const slowest = 1 / 20

type Stage = {
  readonly lan: Lan
  readonly watch: Watch
  readonly random: Random
  readonly interval: number
  readonly classics: ReadonlySet<SimulatedHost>
  /** Longer than anything takes that one cause may lead to. */
  readonly patience: number
}

/** Plays the hand-overs of a seed. */
export const playHandovers = (seed: number): Outcome => {
  const random = createRandom(seed)
  const routers = chooseRouters(random)
  const interval = routers[0]?.interval ?? millis(0)
  const isClassic = routers.map((_, i) => i > 0 && random.chance(0.15))
  const delay = random.next() * interval * slowest
  const longest = Math.max(...routers.map((settings) => ownMasterDown({ ...settings, priority: 1 }))) * (1 + worstDrift)
  const watch: Watch = createWatch(
    () => lan.hosts,
    () => lan.clock.now(),
    {
      overlap: slowestNetlinkAnswer + 2 * delay,
      interval: interval * (1 + worstDrift) + delay,
      outage: longest + interval + slowestNetlinkAnswer,
    },
  )
  const lan: Lan = createLan(routers, random, {
    drifts: worstDrift,
    special: (i) => ({ onStep: watch.onStep, ...(isClassic[i] ? { step: classicStep } : {}) }),
  })
  lan.setWeather({ loss: 0, duplication: 0, delay, isOrdered: true })
  const classics = new Set(lan.hosts.filter((_, i) => isClassic[i]))
  const preemptDelay = Math.max(...routers.map((settings) => settings.preemptDelay))
  const patience = 3 * longest + preemptDelay * (1 + worstDrift) + (longestStop + 2) * interval
  try {
    return { problem: play({ lan, watch, random, interval, classics, patience }), transcript: lan.transcript }
  } catch (error) {
    return { problem: error instanceof Error ? error.message : String(error), transcript: lan.transcript }
  }
}

const chooseRouters = (random: Random): readonly Settings[] => {
  const interval = millis(random.pick([10, 100, 1000]))
  const preempt = random.pick(['all', 'all', 'none', 'some'])
  const delays = random.chance(0.2)
  return Array.from({ length: random.integer(2, 5) }, (_, i) => ({
    name: `lb${i + 1}`,
    version: interval === 1000 ? random.pick<2 | 3>([2, 3]) : 3,
    priority: random.integer(2, 50) * 5 + i - 4,
    interval,
    preempt: preempt === 'all' || (preempt === 'some' && random.chance(0.5)),
    preemptDelay: millis(delays ? random.integer(0, 4) * interval : 0),
    announcements: { repeat: 5, delay: millis(5000), refresh: null, refreshRepeat: 1 },
  })).map((settings, _, [first]) => ({ ...settings, version: first?.version ?? 3 }))
}

const play = (stage: Stage): string | null => {
  const { lan, watch, random, interval, classics, patience } = stage
  const { clock, hosts } = lan
  watch.excuse()
  for (const host of hosts) host.boot(false)
  clock.runUntil(patience)
  watch.changes()
  const isHasty = random.chance(0.4)
  const isPrompt = classics.size === 0 && hosts.every(({ settings }) => settings.preempt && settings.preemptDelay === 0)
  for (let i = 0; i < causes; i += 1) {
    const master = hosts.find((host) => host.router().state === 'master')
    const host = random.chance(0.5) && master !== undefined ? master : random.pick([hosts[0], ...hosts.slice(1)])
    if (host === undefined) continue
    cause(stage, host)
    const isLate = !isHasty && isPrompt && host === master && host.isFit() ? late(stage) : null
    if (isLate !== null) return isLate
    clock.runUntil(clock.now() + (isHasty ? random.next() * interval * 5 : patience))
    watch.look()
    const found = isHasty ? null : (flapping(watch, 1) ?? unrest(hosts))
    if (found !== null) return found
  }
  for (const host of hosts) {
    if (host.isFit()) continue
    host.fail(null)
    host.maintain(false)
    host.boot(false)
  }
  clock.runUntil(clock.now() + 2 * patience)
  watch.look()
  if (isHasty) {
    const found = flapping(watch, causes)
    if (found !== null) return found
  }
  const before = hosts.map((host) => host.router().state).join()
  clock.runUntil(clock.now() + quietIntervals * interval)
  watch.look()
  const after = hosts.map((host) => host.router().state).join()
  return before === after ? problem(hosts) : `states changed in a quiet network: ${before}, then ${after}`
}

/** What is not over a skew time and a little after a priority of a master has changed, or it has handed over; null: all is. */
const late = ({ lan: { clock, hosts }, interval }: Stage): string | null => {
  // If only a lower one comes, the master answers it: two kernels are asked, and four packets fly.
  clock.runUntil(clock.now() + interval * (1 + 2 * worstDrift + 4 * slowest) + 2 * slowestNetlinkAnswer)
  const isWaiting = hosts.some((host) => host.router().state === 'leaving')
  const found = isWaiting ? null : unrest(hosts)
  return found === null ? null : `after the longest skew time: ${found}`
}

/** Where nobody is fit, nobody is missed. */
const unrest = (hosts: readonly SimulatedHost[]): string | null =>
  hosts.some((host) => host.isFit()) ? problem(hosts) : null

const flapping = (watch: Watch, caused: number): string | null => {
  const restless = [...watch.changes()].find(([, changes]) => changes > mostChanges * caused)
  return restless === undefined ? null : `${restless[0]} became master ${restless[1]} times for ${caused} causes`
}

/** One that this host has heard as a master, and that is still there. */
const rivalOf = ({ hosts }: Lan, host: SimulatedHost): SimulatedHost | undefined =>
  hosts.find((other) => other.isAlive() && host.router().rivals.has(other.address))

const cause = ({ lan, watch, random, interval, classics }: Stage, host: SimulatedHost): void => {
  const { clock } = lan
  const wasFit = host.isFit()
  // Only who hands over leaves no gap: not who is killed, must not serve, or knows no better.
  const excuse = (isAbrupt: boolean): void => {
    if (isAbrupt && host.holds()) watch.excuse()
  }
  switch (random.integer(1, 9)) {
    case 1:
    case 2:
    case 3:
      host.weigh(random.chance(0.2) ? null : random.integer(1, random.chance(0.3) ? 5 : 50) * 5)
      return
    case 4:
      host.learn({ event: random.chance(0.8) ? 'handover-ordered' : 'handover-revoked' })
      return
    case 5:
      excuse(classics.has(host))
      host.shutDown(() => clock.after(random.next() * interval * longestStop, () => host.boot(false)))
      return
    case 6:
      excuse(classics.has(host))
      host.maintain(wasFit)
      return
    case 7:
      excuse(true)
      host.fail(wasFit ? 'a check fails' : null)
      return
    case 8:
      host.reload(random.chance(0.5) ? host.router().settings.priority : random.integer(1, 50) * 5)
      return
    default: {
      // Silently, and for longer than anyone waits for it; rather one that a master would yield to than that master.
      const victim = rivalOf(lan, host) ?? host
      if (victim.holds()) watch.excuse()
      victim.cutPower()
    }
  }
}
