// One simulated host: the real state machine, with a kernel, a timer and a process that may stall, crash or be stopped.

import { millis } from '../../balancer/core/time.ts'
import { initialRouter, nextDeadline, step } from '../../balancer/vrrp/core/machine.ts'
import type { Decoded } from '../../balancer/vrrp/core/reception.ts'
import type { Effect, Event, Happening, Link, Settings, Step, VirtualRouter } from '../../balancer/vrrp/core/state.ts'
import { regrouping, type Strangers, withStranger } from '../../balancer/vrrp/core/strangers.ts'
import { ownMasterDown } from '../../balancer/vrrp/core/transitions.ts'
import { brief } from '../balancer/vrrp/core/brief.ts'
import type { Clock } from './clock.ts'
import type { Random } from './random.ts'

/** What a host is given. */
export type HostOptions = {
  readonly settings: Settings
  readonly address: string
  /** The virtual ones, until its configuration changes. */
  readonly addresses: readonly string[]
  readonly clock: Clock
  readonly random: Random
  /** How fast its clock runs, 1 being right. */
  readonly drift: number
  /** `isLost`: its own kernel refuses to send. */
  readonly broadcast: (from: SimulatedHost, priority: number, isLost: boolean) => void
  /** One line of the transcript. */
  readonly tell: (line: string) => void
  /** Adding addresses is refused while this is true. */
  readonly isRefusing: () => boolean
  /** Its state machine, if it is not ours. */
  readonly step?: (router: VirtualRouter, event: Event) => Step
  /** Called when anything about the host may have changed. */
  readonly onStep?: (host: SimulatedHost, before: VirtualRouter, happening: Happening) => void
}

/** A host of the simulated network. */
export type SimulatedHost = {
  readonly name: string
  readonly address: string
  /** As configured; the effective priority is the router's. */
  readonly settings: Settings
  readonly router: () => VirtualRouter
  /** The virtual ones that it advertises, and listens for. */
  readonly addresses: () => readonly string[]
  /** Whether it lost these addresses with its link or its process: it could tell nobody. */
  readonly leftSilently: (addresses: string) => boolean
  /** Since when clients that ask for these addresses get no answer from here; 0: always. */
  readonly unseenSince: (addresses: string) => number
  /** When it last told the network that these addresses are here. */
  readonly announcedAt: (addresses: string) => number
  /** Whether the kernel holds the virtual address. */
  readonly holds: () => boolean
  readonly isAlive: () => boolean
  readonly isStalled: () => boolean
  readonly learn: (happening: Happening) => void
  readonly hear: (received: Decoded) => void
  readonly boot: (resume: boolean) => void
  /** The process dies; its kernel keeps the address until the lease ends. */
  readonly crash: () => void
  /** The whole host goes off. */
  readonly cutPower: () => void
  /** Stops the process, which ends when its router has left; then something else may be done. */
  readonly shutDown: (onOff: () => void) => void
  /** What it tracks gives it this effective priority; null: the configured one. */
  readonly weigh: (priority: number | null) => void
  /** Its configuration is applied anew, with this priority; null: the one it had at first. */
  readonly reload: (priority: number | null) => void
  /** Its configuration is applied anew with other virtual addresses. */
  readonly readdress: (addresses: readonly string[]) => void
  /** Something that it tracks fails and keeps it from taking part; null: no longer. */
  readonly fail: (reason: string | null) => void
  /** An operator takes it out, or lets it take part again. */
  readonly maintain: (isOrdered: boolean) => void
  /** Whether nothing keeps it from taking part. */
  readonly isFit: () => boolean
  readonly stall: () => void
  readonly wake: () => void
  readonly setLink: (link: 'up' | 'down') => void
  /** Whether its kernel refuses to send, as a packet filter of its own would. */
  readonly mute: (isMute: boolean) => void
  readonly isLinked: () => boolean
  /** Something else on the host takes the address away. */
  readonly dropAddress: () => void
}

/** The kernel answers a request for addresses within so many milliseconds. */
export const slowestNetlinkAnswer = 3

/** A host that is switched off. */
export const createHost = (options: HostOptions): SimulatedHost => {
  const { settings, address, clock, random, drift, tell } = options
  const { name } = settings
  const localNow = () => millis(clock.now() * drift)
  let router = initialRouter(settings)
  let isAlive = false
  let isStalled = false
  let isMute = false
  let link: Link = { up: true, address }
  let leaseEndsAt: number | null = null
  /** Whether the kernel answers nobody who asks where the address is. */
  let isHidden = false
  /** Something else took the address and the machine has not had the time to act on it. */
  let isRobbed = false
  /** Each boot is another process: what belonged to the last one does not reach it. */
  let life = 0
  let alarm = 0
  let addresses = options.addresses
  /** A new configuration is on the wire when the machine knows of it. */
  let spoken = addresses
  let strangers: Strangers = new Map()
  const unseenSince = new Map<string, number>()
  const announcedAt = new Map<string, number>()
  const leftSilently = new Set<string>()
  const packets: Happening[] = []
  const others: Happening[] = []
  const waiting: Happening[] = []
  let isStepping = false
  let weighed: number | null = null
  let failure: string | null = null
  let isInMaintenance = false
  let onceOff: (() => void) | null = null
  /** When this master last sent something or tried to, or it began; local time. */
  let provenAt = 0
  /** Its master down interval by the priority that it had until now. */
  let patience = 0

  const holds = (): boolean => leaseEndsAt !== null && clock.now() < leaseEndsAt
  const isSeen = (): boolean => holds() && !isHidden && link.up
  /** Does something that may end that clients get an answer from here. */
  const watching = (action: () => void): void => {
    const wasSeen = isSeen()
    const before = addresses.join()
    action()
    if (wasSeen && (!isSeen() || addresses.join() !== before)) unseenSince.set(before, clock.now())
  }
  const setAddress = (lease: number): void => {
    const endsAt = clock.now() + lease * 1000
    leaseEndsAt = endsAt
    isRobbed = false
    clock.after(lease * 1000, () => {
      if (leaseEndsAt !== endsAt) return
      if (isAlive && !isStalled && router.state === 'leaving') throw new Error(`${name} leaves longer than its lease`)
      leaseEndsAt = null
      unseenSince.set(addresses.join(), clock.now())
      if (!isAlive || isStalled) leftSilently.add(addresses.join())
      tell(`${name} lease ended`)
      options.onStep?.(host, router, { event: 'address-lost', address: 'virtual' })
      learn({ event: 'address-lost', address: 'virtual' })
    })
  }
  const answer = (happening: Happening): void => {
    const asked = life
    clock.after(random.next() * slowestNetlinkAnswer, () => {
      if (asked === life) learn(happening)
    })
  }

  const learn = (happening: Happening): void => {
    if (!isAlive) return
    if (isStalled) {
      if (happening.event === 'deadline-reached') return
      const isPacket = happening.event === 'advertisement-received' || happening.event === 'deaf-master-heard'
      const queue = isPacket ? packets : others
      queue.push(happening)
      return
    }
    waiting.push(happening)
    if (isStepping) return
    isStepping = true
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) take(next)
    isStepping = false
    const mayHold = router.state === 'master' || router.state === 'leaving'
    if (!mayHold && holds()) throw new Error(`${name} is ${router.state} and holds the address`)
    if (holds() && isHidden !== (router.state === 'leaving'))
      throw new Error(`${name} is ${router.state}, hidden or not`)
    arm()
    if (router.state === 'init' && onceOff !== null) switchOff('is off')
  }
  const switchOff = (remark: string): void => {
    isAlive = false
    alarm += 1
    tell(`${name} ${remark}`)
    const then = onceOff
    onceOff = null
    options.onStep?.(host, router, { event: 'shutdown-requested' })
    then?.()
  }
  const take = (happening: Happening): void => {
    const before = router
    const [after, effects] = (options.step ?? step)(router, { ...happening, at: localNow() })
    router = after
    patience = ownMasterDown(before.settings)
    // Who leaves may stay, but not after it was suspended meanwhile. Its priority may have changed since it began.
    const wait = before.state === 'leaving' ? before.endsAt - before.since : 0
    const mayStay = before.state !== 'leaving' || localNow() - provenAt <= wait + ownMasterDown(after.settings)
    if (before.state !== 'master' && after.state === 'master' && mayStay) provenAt = localNow()
    if (before.state !== after.state || effects.length > 0) {
      tell(`${name} ${before.state}: ${describe(happening)} -> ${after.state} ${effects.map(brief).join(', ')}`)
    }
    for (const effect of effects) watching(() => carryOut(effect, before))
    options.onStep?.(host, before, happening)
  }
  const carryOut = (effect: Effect, before: VirtualRouter): void => {
    switch (effect.effect) {
      case 'add-addresses':
        isHidden = false
        if (!options.isRefusing()) setAddress(effect.lease)
        answer(options.isRefusing() ? { event: 'addresses-failed', reason: 'refused' } : { event: 'addresses-added' })
        return
      case 'renew-addresses':
        setAddress(effect.lease)
        return
      case 'remove-addresses':
        leaseEndsAt = null
        isRobbed = false
        isHidden = false
        return
      case 'hide-addresses':
        isHidden = true
        return
      case 'send-advertisement':
        // The last word of one that was master says nothing of what it has.
        if (effect.priority > 0 && !isLastWord(before, router)) {
          if (!holds() && !isRobbed) throw new Error(`${name} advertises without the address`)
          if (router.state !== 'master') throw new Error(`${name} advertises in ${router.state}`)
          if (localNow() - provenAt > patience) throw new Error(`${name} is stale`)
        }
        provenAt = localNow()
        options.broadcast(host, effect.priority, isMute)
        learn({ event: isMute ? 'advertisement-failed' : 'advertisement-sent' })
        return
      case 'announce-addresses':
        if (!link.up) return
        announcedAt.set(addresses.join(), clock.now())
        leftSilently.delete(addresses.join())
        return
      default:
    }
  }
  const standing = (): readonly Happening[] => {
    const priority = weighed ?? settings.priority
    const fault = failure ?? (isInMaintenance ? 'maintenance' : null)
    if (router.settings.priority === priority && router.failure === fault) return []
    return [{ event: 'standing-changed', priority, fault, isPlanned: failure === null }]
  }
  const stand = (): void => {
    // Who is suspended tracks nothing.
    if (isAlive && !isStalled) for (const changed of standing()) learn(changed)
  }
  const arm = (): void => {
    const deadline = nextDeadline(router)
    alarm += 1
    const set = alarm
    if (deadline === null) return
    clock.after(Math.max(0, deadline - localNow()) / drift, () => {
      if (set === alarm) learn({ event: 'deadline-reached' })
    })
  }

  const host: SimulatedHost = {
    name,
    address,
    settings,
    router: () => router,
    addresses: () => spoken,
    leftSilently: (of) => leftSilently.has(of),
    unseenSince: (of) => (isSeen() && addresses.join() === of ? clock.now() : (unseenSince.get(of) ?? 0)),
    announcedAt: (of) => announcedAt.get(of) ?? 0,
    holds,
    isAlive: () => isAlive,
    isStalled: () => isStalled,
    learn,
    hear: (received) => {
      if (received.ok) {
        const { priority, interval } = received.advertisement
        learn({ event: 'advertisement-received', from: received.source, priority, interval })
        return
      }
      const { source: from, reason, conflict } = received
      if (conflict === undefined) return
      const { advertisement, differs, weight } = conflict
      // Who is suspended reads what waits for it later; what is remembered here is too old by then.
      if (reason === 'addresses') strangers = withStranger(strangers, from, advertisement, localNow())
      if (weight === 'told') return
      const { priority } = advertisement
      const isYieldedTo = weight === 'yielded-to'
      learn({ event: 'deaf-master-heard', from, priority, interval: advertisement.interval, differs, isYieldedTo })
    },
    boot: (resume) => {
      if (isAlive) return
      life += 1
      isAlive = true
      isStalled = false
      packets.length = 0
      others.length = 0
      isInMaintenance = false
      watching(() => {
        isHidden = false
      })
      strangers = new Map()
      router = initialRouter(settings)
      tell(`${name} boots${resume ? ' as the master it was' : ''}`)
      waiting.push(...standing())
      learn({ event: 'started', resume, link })
    },
    crash: () => {
      if (isSeen()) leftSilently.add(addresses.join())
      if (isAlive) switchOff('crashes')
    },
    cutPower: () => {
      watching(() => {
        leaseEndsAt = null
      })
      router = initialRouter(settings)
      if (isAlive) switchOff('loses its power')
    },
    shutDown: (onOff) => {
      if (!isAlive) return
      onceOff = onOff
      learn({ event: 'shutdown-requested' })
    },
    weigh: (priority) => {
      weighed = priority
      stand()
    },
    reload: (priority) => {
      weighed = priority
      learn({ event: 'reconfigured', settings: { ...settings, priority: priority ?? settings.priority } })
    },
    readdress: (next) => {
      if (isStalled) return
      const moves = regrouping(addresses, next, strangers, localNow())
      // A reload removes the old ones before anything else happens.
      if (isAlive) {
        watching(() => {
          if (moves !== undefined && holds()) {
            leaseEndsAt = null
            isRobbed = true
          }
          addresses = next
        })
        tell(`${name} has the addresses ${addresses.join(', ')}`)
        learn({ event: 'reconfigured', settings: router.settings, regrouping: moves })
        spoken = addresses
      } else if (!holds()) {
        addresses = next
        spoken = next
      }
    },
    fail: (reason) => {
      failure = reason
      stand()
    },
    maintain: (isOrdered) => {
      isInMaintenance = isOrdered && isAlive
      stand()
      if (!isOrdered) learn({ event: 'handover-revoked' })
    },
    isFit: () => isAlive && !isStalled && onceOff === null && link.up && failure === null && !isInMaintenance,
    stall: () => {
      isStalled = true
      tell(`${name} stalls`)
    },
    wake: () => {
      if (!isStalled) return
      isStalled = false
      tell(`${name} wakes`)
      // The driver reads its socket before a deadline passes; netlink may speak before or after.
      const heard = packets.splice(0)
      const [first, second] = random.chance(0.5) ? [heard, others.splice(0)] : [others.splice(0), heard]
      for (const happening of [...first, ...second]) learn(happening)
      stand()
      learn({ event: 'deadline-reached' })
    },
    setLink: (wanted) => {
      if (isSeen()) leftSilently.add(addresses.join())
      watching(() => {
        link = wanted === 'up' ? { up: true, address } : { up: false, reason: 'no carrier' }
      })
      learn({ event: 'link-changed', link })
    },
    mute: (wanted) => {
      isMute = wanted
    },
    isLinked: () => link.up,
    dropAddress: () => {
      if (!holds()) return
      watching(() => {
        leaseEndsAt = null
      })
      isRobbed = true
      tell(`${name} loses its address`)
      learn({ event: 'address-lost', address: 'virtual' })
    },
  }
  return host
}

/** Whether what is said is not said as a master: this router was one, or owed it. */
const isLastWord = (before: VirtualRouter, after: VirtualRouter): boolean =>
  after.state === 'backup' && (before.state !== 'backup' || before.owesWord)

const describe = (happening: Happening): string => {
  switch (happening.event) {
    case 'advertisement-received':
      return `hears ${happening.priority} from ${happening.from}`
    case 'deaf-master-heard':
      return `hears ${happening.from}, who ${happening.differs}`
    case 'link-changed':
      return happening.link.up ? 'link is up' : `link is down (${happening.link.reason})`
    case 'addresses-failed':
      return `addresses refused (${happening.reason})`
    case 'reconfigured':
      return happening.regrouping === undefined ? 'reconfigured' : 'reconfigured for another group'
    case 'standing-changed':
      if (happening.fault !== null) return `takes no part (${happening.fault})`
      return `priority is ${happening.priority}`
    default:
      return happening.event.replaceAll('-', ' ')
  }
}
