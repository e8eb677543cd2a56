// The processes of one balancer: who hears which facts, and when a dead one is started again.

import type { BalancerConfig } from '../../config/schema.ts'
import { forwardedBy, forwarderOf, forwarders, holdsSessions, neededForwarders } from '../../core/forwarders.ts'
import { type Millis, millis } from '../../core/time.ts'
import type { Fact, VirtualRouterFact } from '../../pool/core/facts.ts'

/** The children of the supervisor, one process each, in the order in which they apply a configuration. */
export const processRoles = [...forwarders, 'director', 'vrrp'] as const
export type ProcessRole = (typeof processRoles)[number]

/** The processes that run with a configuration: a forwarder only where a listener needs it. */
export const neededRoles = ({ listeners }: Pick<BalancerConfig, 'listeners'>): readonly ProcessRole[] => [
  ...neededForwarders(listeners),
  'director',
  'vrrp',
]

/** What becomes of a process with a configuration in the place of another one. */
export type RoleChange = {
  readonly begin: readonly ProcessRole[]
  readonly stay: readonly ProcessRole[]
  readonly end: readonly ProcessRole[]
}

/** Which processes another configuration begins and ends. */
export const roleChange = (before: readonly ProcessRole[], after: readonly ProcessRole[]): RoleChange => ({
  begin: after.filter((role) => !before.includes(role)),
  stay: after.filter((role) => before.includes(role)),
  end: before.filter((role) => !after.includes(role)),
})

type Forwarded = Pick<BalancerConfig['listeners'][number], 'name' | 'datapath'>

/**
 * The order in which processes apply another configuration. Who gets a listener that another one had comes first: if it cannot
 * have it, the other one still has all of its sessions.
 */
export const applyOrder = (
  roles: readonly ProcessRole[],
  before: { readonly listeners: readonly Forwarded[] },
  after: { readonly listeners: readonly Forwarded[] },
): readonly ProcessRole[] => {
  const gains = (role: ProcessRole): boolean => {
    const forwarder = forwarders.find((one) => one === role)
    if (forwarder === undefined) return false
    const had = new Set(forwardedBy(forwarder, before.listeners).map(({ name }) => name))
    return forwardedBy(forwarder, after.listeners).some(({ name }) => !had.has(name))
  }
  return [...roles.filter(gains), ...roles.filter((role) => !gains(role))]
}

/**
 * Whether what a process has done stays in place when it makes way for another program: addresses, and rules in the kernel. The
 * other one goes on with that.
 */
export const leavesItsWork = (role: ProcessRole): boolean =>
  role === 'vrrp' || (forwarders.some((one) => one === role) && !holdsSessions(role))

/** How long a process may take to begin its work before the reload that needs it is called off. */
export const beginLimit = millis(20_000)
/** How long a process may take to apply a configuration before the reload is called off: one that lives, and one that says nothing. */
export const [applyLimit, silentApplyLimit] = [millis(20_000), millis(10_000)]
/** The longest that a reload takes: every process is late, and all of them are late again when it is taken back. */
export const longestReload = millis(forwarders.length * beginLimit + 2 * processRoles.length * applyLimit)
/**
 * How a child ends that is of another version than its supervisor, or does not understand what it is to begin with: the
 * program on disk was changed while it ran (sysexits: EX_PROTOCOL). Starting it again would not help.
 */
export const exitMisfit = 76

const hearers: Readonly<Record<Fact['fact'], readonly ProcessRole[]>> = {
  'virtual-router': ['director'],
  'server-health': [...forwarders, 'vrrp'],
  writer: [...forwarders, 'vrrp'],
  listener: ['director', 'vrrp'],
  draining: ['director'],
  peers: ['director'],
  host: ['director'],
  heartbeat: ['vrrp'],
  process: ['vrrp'],
}

/** The processes that a fact is passed on to. */
export const hearersOf = (fact: Fact): readonly ProcessRole[] => hearers[fact.fact]

/** Whether a fact tells of a process itself, or of what it alone knows: it is void when that process is no longer needed. */
export const isOfProcess = (fact: Fact, role: ProcessRole): boolean => {
  switch (fact.fact) {
    case 'heartbeat':
    case 'process':
      return fact.process === role
    case 'listener':
      return forwarderOf(fact.datapath) === role
    case 'peers':
      return forwarderOf('direct') === role
    default:
      return false
  }
}

/** Deaths of one process that still count, oldest first. */
export type Deaths = readonly Millis[]

const forgottenAfter = millis(60_000)
const atOnce = 3
const longestDelay = millis(10_000)
const shortestDelay = millis(250)

/**
 * How long to wait before a process that died now is started again, and the deaths to remember. The first three within a
 * minute are followed at once, later ones after a delay that doubles up to 10 s.
 */
export const restartAfter = (deaths: Deaths, now: Millis): { readonly delay: Millis; readonly deaths: Deaths } => {
  const recent = [...deaths.filter((death) => now - death < forgottenAfter), now]
  const excess = recent.length - atOnce
  const delay = excess <= 0 ? 0 : Math.min(longestDelay, shortestDelay * 2 ** (excess - 1))
  return { delay: millis(delay), deaths: recent }
}

/**
 * An instance that may go on as master at once, until a moment of CLOCK_MONOTONIC. After that, and until `lateUntil`, it
 * hands its addresses over rather than leave them nowhere.
 */
export type Resumption = { readonly instance: string; readonly until: Millis; readonly lateUntil: Millis }

/** In advertisement intervals since the death; the last advertisement went out at most one before. */
const missedAfter = 2
const takenOverAfter = 4

/**
 * Instances that may go on as master after the vrrp process died: those that were master, until the other routers begin
 * to miss their advertisements. One that was handing over goes on with that.
 */
export const resumptions = (facts: readonly Fact[], diedAt: Millis): readonly Resumption[] =>
  facts.filter(isMaster).map(({ name, handingOver, advertisementInterval }) => ({
    instance: name,
    until: millis(handingOver ? diedAt : diedAt + missedAfter * advertisementInterval),
    lateUntil: millis(diedAt + takenOverAfter * advertisementInterval),
  }))

/** Whether a fact is about an instance that has its addresses here, also one that hands them over. */
export const isMaster = (fact: Fact): fact is VirtualRouterFact =>
  fact.fact === 'virtual-router' && fact.state === 'master'

/**
 * When the parent tells the other routers of the death of the vrrp process, unless the process is back by then: at once
 * where it will not be, else when it would come too late to go on as master.
 */
export const farewellAt = (masters: readonly VirtualRouterFact[], diedAt: Millis, delay: Millis): Millis => {
  const shortest = Math.min(...masters.map(({ advertisementInterval }) => advertisementInterval))
  return millis(delay > missedAfter * shortest ? diedAt : diedAt + (missedAfter + 1 / 2) * shortest)
}
