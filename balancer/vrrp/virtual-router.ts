// The driver of one virtual router: feeds the state machine with what happens and does what it asks for, in order.

import type { VrrpInstanceConfig } from '../config/vrrp-schema.ts'
import { type Millis, millis } from '../core/time.ts'
import type { Netlink } from '../os/netlink.ts'
import type { Outcome } from '../os/outcome.ts'
import type { PacketSocket } from '../os/packet-socket.ts'
import { initialRouter, nextDeadline, step } from './core/machine.ts'
import type { Event, Happening, Link, VirtualRouter } from './core/state.ts'
import { regrouping, type Strangers, withStranger } from './core/strangers.ts'
import type { Standing, Tracked } from './core/tracking.ts'
import { createEffects } from './effects.ts'
import type { HiddenAddresses } from './hidden-addresses.ts'
import { advertisementOf, settingsOf, virtualMacDevice } from './instance.ts'
import { createOrders, type RouterOrder } from './orders.ts'
import type { Past } from './past.ts'
import type { Report } from './report.ts'
import { beforeBegin, isSameGround, isSameLink, lookAround, type Surroundings } from './surroundings.ts'
import { openTransport, type Transport } from './transport.ts'
import { untilQuiet } from './until-quiet.ts'
import { createVirtualAddresses } from './virtual-addresses.ts'
import type { Wires } from './wires.ts'

/** What the driver works with. */
export type Tools = {
  readonly netlink: Netlink
  readonly packets: PacketSocket
  readonly wires: Wires
  readonly hidden: HiddenAddresses
  /** The virtual addresses of all instances of this host, as they are configured now. */
  readonly virtual: () => ReadonlySet<string>
  /** The places of those of the other instances that are master here. */
  readonly heldByOthers: () => ReadonlySet<string>
  readonly report: Report
  /** What `trackedRoutes` tells has changed. */
  readonly onRoutes: () => void
  /** Called after each event that changed the router, with the state it was in before. */
  readonly onStep: (before: VirtualRouter['state']) => void
  /** Another program may take the place of this one just now: what happens waits. */
  readonly isAside: () => boolean
}

/** One virtual router at work. */
export type VirtualRouterDriver = {
  readonly router: () => VirtualRouter
  readonly start: () => void
  /** Something that only others can know: what happens to its sync group. */
  readonly dispatch: (happening: Happening) => void
  /** Links or addresses of this host may have changed. */
  readonly networkChanged: () => void
  /** Whether it stands on the interface of this index, whatever that is called now. */
  readonly uses: (interfaceIndex: number) => boolean
  /** Its virtual routes whose failure counts. */
  readonly trackedRoutes: () => readonly Tracked[]
  /** From now on it stands so: its effective priority, or why it must not take part. */
  readonly stand: (standing: Standing) => void
  /** Resolves when no hand-over is under way. */
  readonly settled: () => Promise<void>
  /** A master advertises before its time: others wait the longest from now. */
  readonly advertise: () => void
  /** What waited while this process stood aside happens now. */
  readonly goOn: () => void
  /** Resolves when what was ordered has happened, with a sentence of what came of it, or when it cannot. */
  readonly order: (order: RouterOrder) => Promise<Outcome<string>>
  /** Applies a new configuration of the same identity; the state stays. `around` was looked at for it. */
  readonly reconfigure: (next: VrrpInstanceConfig, around: Surroundings, standing: Standing) => Promise<void>
  /** Once a second: publishes the fact, looks for what is missing in fault, and tries what failed again. */
  readonly tick: () => void
  /** Resolves when another router has the addresses, or nobody came for them, and they are gone from here. */
  readonly stop: () => Promise<void>
}

/**
 * Looks at what the instance needs of this host. What is missing is a fault until it is there; one that has not begun yet
 * also waits until nobody else has its addresses here. Nothing is sent or removed before `start`.
 */
export const prepareVirtualRouter = async (
  first: VrrpInstanceConfig,
  standingNow: Standing,
  tools: Tools,
  past: Past | null,
): Promise<VirtualRouterDriver> => {
  const { netlink, packets, wires, hidden, virtual, report } = tools
  let config = first
  let hasBegun = false
  const begin = (): void => {
    hasBegun = true
    report.begun()
  }
  if (past?.hasBegun() === true) begin()
  const look = async (looked: VrrpInstanceConfig): Promise<Surroundings> => {
    const seen = await lookAround(netlink, looked, virtual())
    return hasBegun ? seen : beforeBegin(looked, seen)
  }
  let around = await look(config)
  const onRoutes = (): void => {
    report.routes(addresses.routes.states())
    tools.onRoutes()
  }
  const addresses = createVirtualAddresses({ config, devices: () => around.devices, netlink, packets, onRoutes })
  let standing = standingNow
  let isInMaintenance = past?.isInMaintenance() ?? false
  let router = initialRouter(settingsOf(config, standing))
  let transport: Transport | null = null
  let timer: NodeJS.Timeout | undefined
  let isRunning = false
  let strangers: Strangers = new Map()
  /** Who waits for the end of a hand-over. */
  let onSettled: (() => void)[] = []

  const waiting: Event[] = []
  let isStepping = false
  const dispatch = (happening: Happening): void => {
    waiting.push({ ...happening, at: now() })
    if (isStepping || tools.isAside()) return
    isStepping = true
    for (let event = waiting.shift(); event !== undefined; event = waiting.shift()) take(event)
    isStepping = false
    arm()
  }
  const take = (event: Event): void => {
    const before = router
    const [after, wanted] = step(before, event)
    router = after
    for (const effect of wanted) effects.execute(effect)
    if (before.state !== router.state || before.standsBack !== router.standsBack) report.entered(router)
    if (before.state === 'fault' && router.state === 'fault' && router.isLinked) {
      const obstacle = router.failure ?? router.held
      if (obstacle !== null) report.remains(obstacle)
    }
    if (before !== router) tools.onStep(before.state)
    if (router.state === 'leaving' || onSettled.length === 0) return
    const settled = onSettled
    onSettled = []
    for (const settle of settled) settle()
  }
  const arm = (): void => {
    clearTimeout(timer)
    const deadline = nextDeadline(router)
    if (deadline === null) return
    timer = setTimeout(passDeadline, Math.max(0, Math.ceil(deadline - now())))
  }
  const passDeadline = (): void => {
    // Timers fire before sockets are read: a late process must hear what waits before it acts on silence.
    transport?.receive()
    dispatch({ event: 'deadline-reached' })
  }

  const effects = createEffects({
    config: () => config,
    router: () => router,
    addresses,
    hidden,
    report,
    send: (priority) => transport?.send(priority),
    dispatch,
  })

  /** Opens the wire on a link that is up; what cannot be opened is a link that is down. */
  const connect = (link: Link): Link => {
    transport?.close()
    transport = null
    const device = around.devices.get(config.interface)
    report.linked(link.up ? link.address : null)
    if (!link.up || device === undefined) return link
    const opened = openTransport({
      config,
      device,
      address: link.address,
      wires,
      packets,
      onHeard: (from, heard) => {
        report.heard(from, heard)
        dispatch({ event: 'advertisement-received', from, priority: heard.priority, interval: heard.interval })
      },
      onDropped: (dropped) => {
        report.dropped(dropped)
        const { source: from, conflict } = dropped
        if (conflict === undefined) return
        const { advertisement, differs, weight } = conflict
        if (dropped.reason === 'addresses') strangers = withStranger(strangers, from, advertisement, now())
        if (weight === 'told') return
        const { priority, interval } = advertisement
        dispatch({
          event: 'deaf-master-heard',
          from,
          priority,
          interval,
          differs,
          isYieldedTo: weight === 'yielded-to',
        })
      },
      onFailure: (reason) => {
        transport = null
        dispatch({ event: 'link-changed', link: { up: false, reason } })
      },
    })
    if (!opened.ok) return { up: false, reason: opened.text }
    transport = opened.value
    return link
  }
  const follow = (next: Surroundings): void => {
    const before = around
    const isSame = transport !== null && isSameLink(config.interface, before, next)
    const isReplaced = before.devices.get(config.interface)?.index !== next.devices.get(config.interface)?.index
    // What has to go is still known by the interface that it stands on, which may have another name by now.
    if (!next.link.up) dispatch({ event: 'link-changed', link: connect(next.link) })
    else if (isReplaced) {
      dispatch({ event: 'link-changed', link: { up: false, reason: `${config.interface} was replaced` } })
    }
    around = next
    if (next.link.up) begin()
    else report.remains(next.link.reason)
    if (next.link.up && !isSame) dispatch({ event: 'link-changed', link: connect(next.link) })
    if (router.state === 'master' || !isSameGround(before, next, virtual())) addresses.routes.tryAgain()
  }
  /** A master whose address was taken away by something else gets it back; nobody else should be given one. */
  const checkAddresses = async (): Promise<void> => {
    const held = await netlink.listAddresses()
    // Before the beginning the reason for waiting says it.
    if (!held.ok || router.state === 'leaving' || !hasBegun) return
    if (router.state === 'master') {
      for (const address of addresses.absentFrom(held.value)) dispatch({ event: 'address-lost', address })
      return
    }
    for (const place of addresses.foreignIn(held.value)) {
      const text = `somebody put ${place} there, although this router is ${router.state}: two hosts may answer for it`
      report.trouble('foreign', `${text}; ip address del ${place}`)
    }
  }
  const lookingAround = untilQuiet(async () => {
    const looked = config
    if (!isRunning || tools.isAside()) return
    const next = await look(looked)
    // What was seen for another configuration says nothing, and no answer says nothing of the link.
    if (looked !== config) networkChanged()
    else if (!next.isKnown) setTimeout(networkChanged, lookAgainMillis).unref()
    else if (isRunning) follow(next)
    if (isRunning) await checkAddresses()
  })
  const networkChanged = lookingAround.start

  /** Who looks just now may be making it: not after it was removed. */
  const removeVirtualMac = async (device: string): Promise<void> => {
    await lookingAround.ended()
    await netlink.removeInterface(device)
  }
  const reconfigure: VirtualRouterDriver['reconfigure'] = async (next, seen, nextStanding) => {
    const hadVirtualMac = config.virtual_mac && !next.virtual_mac
    const device = virtualMacDevice(config)
    if (seen.link.up) begin()
    const before = around
    const [old, current] = [config, next].map((one) => advertisementOf(one).addresses)
    const moves = regrouping(old ?? [], current ?? [], strangers, now())
    // Both are known here while the old addresses are told from the new ones.
    around = { ...seen, devices: new Map([...before.devices, ...seen.devices]) }
    config = next
    standing = nextStanding
    const removed = addresses.configure(next, tools.heldByOthers())
    dispatch({ event: 'reconfigured', settings: settingsOf(next, standing), regrouping: moves })
    const link = connect(seen.link)
    if (!isSameLink(next.interface, before, seen) || !link.up) dispatch({ event: 'link-changed', link })
    const outcome = await removed
    if (!outcome.ok) report.trouble('remove', `${outcome.text}; the kernel does it when the lease ends`)
    if (hadVirtualMac) await removeVirtualMac(device)
  }

  const stand = (): void => {
    const fault = standing.fault ?? (isInMaintenance ? 'maintenance ordered by an operator' : null)
    report.standing(standing, isInMaintenance)
    const { priority, isUnsure, sharedLoss } = standing
    const isSame = router.isUnsure === isUnsure && router.sharedLoss === sharedLoss
    if (isSame && router.settings.priority === priority && router.failure === fault) return
    const isPlanned = standing.fault === null
    dispatch({ event: 'standing-changed', priority, fault, isPlanned, isUnsure, sharedLoss })
  }
  const settled = (): Promise<void> =>
    router.state === 'leaving' ? new Promise((resolve) => onSettled.push(resolve)) : Promise.resolve()
  const order = createOrders({
    config: () => config,
    router: () => router,
    dispatch,
    settled,
    isInMaintenance: () => isInMaintenance,
    maintain: (isOrdered) => {
      isInMaintenance = isOrdered
      stand()
    },
    publish: report.publish,
  })

  return {
    router: () => router,
    stand: (next) => {
      standing = next
      stand()
    },
    order,
    start: () => {
      isRunning = true
      isInMaintenance = past?.isInMaintenance() ?? isInMaintenance
      const continued = past?.continued()
      const was = past?.was()
      if (continued !== undefined) report.goOnFrom(continued, was === 'late-master')
      if (around.link.up) begin()
      stand()
      dispatch({
        event: 'started',
        resume: was === 'master',
        isLate: was === 'late-master',
        standsBack: past?.standsBack() ?? false,
        link: connect(around.link),
      })
    },
    dispatch,
    settled,
    advertise: () => {
      if (router.state === 'master' && router.advertiseAt !== null) effects.advertise(router.settings.priority)
    },
    goOn: () => {
      passDeadline()
      networkChanged()
    },
    networkChanged,
    uses: (interfaceIndex) => [...around.devices.values()].some(({ index }) => index === interfaceIndex),
    trackedRoutes: addresses.routes.tracked,
    reconfigure,
    tick: () => {
      if (router.state === 'fault') networkChanged()
      addresses.routes.tick()
      report.publish()
    },
    stop: async () => {
      isRunning = false
      dispatch({ event: 'shutdown-requested' })
      await settled()
      await effects.removed()
      transport?.close()
      clearTimeout(timer)
      if (config.virtual_mac) await removeVirtualMac(virtualMacDevice(config))
    },
  }
}

const lookAgainMillis = 200

const now = (): Millis => millis(performance.now())
