// One simulated host: the real state machine, with a kernel, a timer and a process that may stall, crash or be stopped.

import { millis } from '../../balancer/core/time.ts'
import { initialRouter, nextDeadline, step } from '../../balancer/vrrp/core/machine.ts'
import type { Effect, Happening, Link, Settings, VirtualRouter } from '../../balancer/vrrp/core/state.ts'
import { ownMasterDown } from '../../balancer/vrrp/core/transitions.ts'
import { brief } from '../balancer/vrrp/core/brief.ts'
import type { Clock } from './clock.ts'
import type { Random } from './random.ts'

/** What a host is given. */
export type HostOptions = {
  readonly settings: Settings
  readonly address: string
  readonly clock: Clock
  readonly random: Random
  /** How fast its clock runs, 1 being right. */
  readonly drift: number
  readonly broadcast: (from: SimulatedHost, priority: number) => void
  /** One line of the transcript. */
  readonly tell: (line: string) => void
  /** Adding addresses is refused while this is true. */
  readonly isRefusing: () => boolean
}

/** A host of the simulated network. */
export type SimulatedHost = {
  readonly name: string
  readonly address: string
  readonly settings: Settings
  readonly router: () => VirtualRouter
  /** Whether the kernel holds the virtual address. */
  readonly holds: () => boolean
  readonly isAlive: () => boolean
  readonly isStalled: () => boolean
  readonly learn: (happening: Happening) => void
  readonly boot: (resume: boolean) => void
  readonly crash: () => void
  readonly stall: () => void
  readonly wake: () => void
  readonly setLink: (link: 'up' | 'down') => void
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
  let link: Link = { up: true, address }
  let leaseEndsAt: number | null = null
  /** Something else took the address and the machine has not had the time to act on it. */
  let isRobbed = false
  /** Each boot is another process: what belonged to the last one does not reach it. */
  let life = 0
  let alarm = 0
  const packets: Happening[] = []
  const others: Happening[] = []
  const waiting: Happening[] = []
  let isStepping = false
  /** When the others last heard of this master, or it began; local time. */
  let provenAt = 0

  const holds = (): boolean => leaseEndsAt !== null && clock.now() < leaseEndsAt
  const setAddress = (lease: number): void => {
    const endsAt = clock.now() + lease * 1000
    leaseEndsAt = endsAt
    isRobbed = false
    clock.after(lease * 1000, () => {
      if (leaseEndsAt !== endsAt) return
      leaseEndsAt = null
      tell(`${name} lease ended`)
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
      const queue = happening.event === 'advertisement-received' ? packets : others
      queue.push(happening)
      return
    }
    waiting.push(happening)
    if (isStepping) return
    isStepping = true
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) take(next)
    isStepping = false
    if (router.state !== 'master' && router.state !== 'leaving' && holds())
      throw new Error(`${name} is ${router.state} and holds the address`)
    arm()
  }
  const take = (happening: Happening): void => {
    const before = router
    const [after, effects] = step(router, { ...happening, at: localNow() })
    router = after
    if (before.state !== 'master' && after.state === 'master') provenAt = localNow()
    if (before.state !== after.state || effects.length > 0) {
      tell(`${name} ${before.state}: ${describe(happening)} -> ${after.state} ${effects.map(brief).join(', ')}`)
    }
    for (const effect of effects) carryOut(effect)
  }
  const carryOut = (effect: Effect): void => {
    switch (effect.effect) {
      case 'add-addresses':
        if (!options.isRefusing()) setAddress(effect.lease)
        answer(options.isRefusing() ? { event: 'addresses-failed', reason: 'refused' } : { event: 'addresses-added' })
        return
      case 'renew-addresses':
        setAddress(effect.lease)
        return
      case 'remove-addresses':
        leaseEndsAt = null
        isRobbed = false
        return
      case 'send-advertisement':
        if (effect.priority > 0 && !holds() && !isRobbed) throw new Error(`${name} advertises without the address`)
        if (effect.priority > 0 && router.state !== 'master') throw new Error(`${name} advertises in ${router.state}`)
        if (effect.priority > 0 && localNow() - provenAt > ownMasterDown(settings)) throw new Error(`${name} is stale`)
        provenAt = localNow()
        options.broadcast(host, effect.priority)
        learn({ event: 'advertisement-sent' })
        return
      default:
    }
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
    holds,
    isAlive: () => isAlive,
    isStalled: () => isStalled,
    learn,
    boot: (resume) => {
      if (isAlive) return
      life += 1
      isAlive = true
      isStalled = false
      packets.length = 0
      others.length = 0
      router = initialRouter(settings)
      tell(`${name} boots${resume ? ' as the master it was' : ''}`)
      learn({ event: 'started', resume, link })
    },
    crash: () => {
      isAlive = false
      alarm += 1
      tell(`${name} crashes`)
    },
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
      learn({ event: 'deadline-reached' })
    },
    setLink: (wanted) => {
      link = wanted === 'up' ? { up: true, address } : { up: false, reason: 'no carrier' }
      learn({ event: 'link-changed', link })
    },
    isLinked: () => link.up,
    dropAddress: () => {
      if (!holds()) return
      leaseEndsAt = null
      isRobbed = true
      tell(`${name} loses its address`)
      learn({ event: 'address-lost', address: 'virtual' })
    },
  }
  return host
}

const describe = (happening: Happening): string => {
  switch (happening.event) {
    case 'advertisement-received':
      return `hears ${happening.priority} from ${happening.from}`
    case 'other-version-heard':
      return `hears version ${happening.version} from ${happening.from}`
    case 'link-changed':
      return happening.link.up ? 'link is up' : `link is down (${happening.link.reason})`
    case 'addresses-failed':
      return `addresses refused (${happening.reason})`
    default:
      return happening.event.replaceAll('-', ' ')
  }
}
