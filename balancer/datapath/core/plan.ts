// What one listener has decided, whatever forwards for it: which servers take sessions, and which sessions end and when. A
// datapath hears facts into it, carries out what it says, and wakes it up at its deadline.

import type { ListenerConfig, ServerConfig } from '../../config/schema.ts'
import { type Millis, millis } from '../../core/time.ts'
import type { ServerHealthFact } from '../../pool/core/facts.ts'
import { formersOf } from '../../pool/core/formers.ts'
import { takesSessions } from '../../pool/core/server-state.ts'
import {
  type Change,
  deadlineOfServer,
  emptied,
  endAll,
  endAttempts,
  hasAny,
  type PlanEffect,
  type PlannedServer,
  passDeadlines,
  placeOf,
  plannedServer,
  takeBack,
  vacate,
  vacateAfter,
} from './planned-server.ts'
import { type Known, type Targets, takingServers, targetsAt } from './targets.ts'

export { type LeaveReason, loginMillis, type Place, type PlanEffect } from './planned-server.ts'
export type { Target, Targets } from './targets.ts'

/** The state of a listener. `departed` are servers that a reload took away, as long as they may keep sessions. */
export type Plan = Known & { readonly departed: readonly PlannedServer[]; readonly nextId: number }

/**
 * What happened, at a moment of one monotonic clock. `lasted`: for how long a server has been up or down when the fact is
 * heard. `server` of `writer` alone takes sessions (`balance: single`). `emptied`: the datapath knows that a server has neither
 * a session nor an attempt; one that cannot tell never says so.
 */
export type PlanEvent = { readonly at: Millis } & (
  | { readonly event: 'health'; readonly fact: ServerHealthFact; readonly lasted: Millis }
  | { readonly event: 'writer'; readonly server: string | null }
  | { readonly event: 'reconfigured'; readonly config: ListenerConfig }
  | { readonly event: 'emptied'; readonly id: number }
  | { readonly event: 'deadline-reached' }
)

/** A plan after an event, and what is to be done, in order. */
export type Step = readonly [Plan, readonly PlanEffect[]]

/** The plan of a listener of which nothing is known. `adopts`: its servers may have sessions from before. */
export const startPlan = (config: ListenerConfig, { adopts }: { readonly adopts: boolean }): Plan => ({
  config,
  writer: null,
  servers: config.servers.map((server, id) => plannedServer(id, server, adopts)),
  departed: [],
  nextId: config.servers.length,
})

/** The plan after an event. What was due before that is done first; an early `deadline-reached` changes nothing. */
export const step = (plan: Plan, event: PlanEvent): Step => {
  const [passed, overdue] = pass(plan, event.at)
  const [next, effects] = react(passed, event)
  return [markTargets(next), [...overdue, ...effects]]
}

/** When `deadline-reached` is due; null while nothing is. */
export const deadlineOf = ({ servers, departed }: Plan): Millis | null => {
  const moments = [...servers, ...departed].flatMap((server) => deadlineOfServer(server) ?? [])
  return moments.length === 0 ? null : millis(Math.min(...moments))
}

/** The servers that take sessions at a moment. */
export const targetsOf = (plan: Plan, at: Millis): Targets => targetsAt(plan, at)

const react = (plan: Plan, event: PlanEvent): Step => {
  switch (event.event) {
    case 'health':
      return hear(plan, event.fact, event.at, event.lasted)
    case 'writer':
      return enforceWriter(withWriter(plan, event.server), event.at)
    case 'reconfigured':
      return reconfigure(plan, event.config, event.at)
    case 'emptied':
      return [withoutSessions(plan, event.id), []]
    case 'deadline-reached':
      return [plan, []]
    default:
      return event satisfies never
  }
}

const pass = (plan: Plan, at: Millis): Step => {
  const due = deadlineOf(plan)
  if (due === null || due > at) return [plan, []]
  const [servers, effects] = changed(plan.servers, (server) => passDeadlines(server, at))
  const [departed, others] = changed(plan.departed, (server) => passDeadlines(server, at))
  return [{ ...plan, servers, departed: departed.filter(hasAny) }, [...effects, ...others]]
}

/** Remembers who can have sessions from now on. */
const markTargets = (plan: Plan): Plan => {
  const marked = new Set<PlannedServer>(takingServers(plan).filter(({ mayHaveSessions }) => !mayHaveSessions))
  if (marked.size === 0) return plan
  const servers = plan.servers.map((server) => (marked.has(server) ? { ...server, mayHaveSessions: true } : server))
  return { ...plan, servers }
}

const hear = (plan: Plan, fact: ServerHealthFact, at: Millis, lasted: Millis): Step => {
  const i = plan.servers.findIndex(({ server }) => server === fact.server)
  const before = plan.servers[i]
  if (before === undefined) return [plan, []]
  const isUp = before.fact?.up ?? false
  // Of what was found here nothing is known but its sessions.
  const wasUp = before.fact?.up ?? before.mayHaveSessions
  const upAt = fact.up && !isUp ? millis(at - lasted) : before.upAt
  const known: PlannedServer = { ...before, fact, upAt }
  const [next, effects] = wasUp && !fact.up ? markedDown(known, plan.config, at) : unchanged(known)
  const isBack = fact.up && !isUp
  const heard = { ...plan, servers: plan.servers.with(i, isBack ? takeBack(next) : next) }
  const [relieved, fromBackups] = isBack && !fact.backup ? endOnBackups(heard, at) : [heard, []]
  const isOpened = takesSessions(fact) && !(before.fact !== null && takesSessions(before.fact))
  const reopened: readonly PlanEffect[] = isOpened ? [{ ...placeOf(next), effect: 'forget-failures' }] : []
  const [enforced, fromOthers] = enforceWriter(relieved, at)
  return [enforced, [...effects, ...fromBackups, ...reopened, ...fromOthers]]
}

const markedDown = (server: PlannedServer, config: ListenerConfig, at: Millis): Change =>
  config.on_marked_down === 'keep'
    ? endAttempts(server, 'server-down')
    : vacateAfter(server, 'server-down', config.shutdown_grace, at)

/** An active server is up: those that only stand in for it are not needed any more, where that is asked for. */
const endOnBackups = (plan: Plan, at: Millis): Step => {
  if (plan.config.on_marked_up === 'keep') return [plan, []]
  const [servers, effects] = changed(plan.servers, (server) =>
    server.fact?.backup === true ? vacate(server, 'active-server-up', at) : unchanged(server),
  )
  return [{ ...plan, servers }, effects]
}

const withWriter = (plan: Plan, writer: string | null): Plan => ({
  ...plan,
  writer,
  servers: plan.servers.map((server) => (server.server === writer ? takeBack(server) : server)),
})

/**
 * Ends what runs on servers that are not the writer. One that is only drained keeps it until another takes its place; one
 * that turned into a replica keeps nobody, not for a login; one of which nothing is known yet may be the writer.
 */
const enforceWriter = (plan: Plan, at: Millis): Step => {
  const { config, writer } = plan
  if (config.balance !== 'single') return [plan, []]
  const [servers, effects] = changed(plan.servers, (server) => {
    if (server.server === writer || server.fact === null) return unchanged(server)
    if (server.fact.role === 'replica') return endAll(server, 'demoted')
    return writer !== null || !server.fact.up ? vacate(server, 'demoted', at) : unchanged(server)
  })
  return [{ ...plan, servers }, effects]
}

const reconfigure = (plan: Plan, config: ListenerConfig, at: Millis): Step => {
  const mayStay = config.on_marked_down === 'keep' && config.balance !== 'single'
  const everyone = [...plan.servers, ...plan.departed].map((server) => (mayStay ? takeBack(server) : server))
  const kept = keptServers(plan, config, everyone)
  const ids = new Set(kept.map((server) => server?.id))
  const [departed, effects] = changed(
    everyone.filter(({ id }) => !ids.has(id)),
    (server) => {
      if (mayStay) return endAttempts(server, 'server-removed')
      return config.balance === 'single' ? endAll(server, 'server-removed') : vacate(server, 'server-removed', at)
    },
  )
  const servers = config.servers.map(
    (server, i): PlannedServer => ({
      ...(kept[i] ?? plannedServer(plan.nextId + i, server, false)),
      server: server.name,
    }),
  )
  const writing = plan.servers.find(({ server }) => server === plan.writer)
  const writer = servers.find(({ id }) => id === writing?.id)?.server ?? plan.writer
  const isSingle = config.balance === 'single'
  const next: Plan = {
    config,
    writer: isSingle ? writer : null,
    servers,
    departed: departed.filter(hasAny),
    nextId: plan.nextId + servers.length,
  }
  const [enforced, fromOthers] = next.writer === null ? [next, []] : enforceWriter(next, at)
  return [enforced, [...effects, ...fromOthers]]
}

/** For each server of a new configuration what it was, be it under another name; undefined for a new one. */
const keptServers = (
  { config, servers }: Plan,
  next: ListenerConfig,
  everyone: readonly PlannedServer[],
): readonly (PlannedServer | undefined)[] => {
  // As the listener is now, whatever it was called.
  const formers = formersOf([{ ...config, name: next.name }], [next])
  const now = everyone.slice(0, servers.length)
  const departed = everyone.slice(servers.length)
  return next.servers.map((server) => {
    const former = formers.server(next, server)
    const kept = now.find((one) => one.server === former?.name)
    if (kept !== undefined) return kept
    const returned = departed.find((one) => isOf(one, server))
    // What was known of it is old.
    return returned === undefined ? undefined : { ...returned, fact: null }
  })
}

const isOf = ({ server, address }: PlannedServer, config: ServerConfig): boolean =>
  server === config.name && address.address === config.address.address && address.port === config.address.port

const withoutSessions = (plan: Plan, id: number): Plan => ({
  ...plan,
  servers: plan.servers.map((server) => (server.id === id ? emptied(server) : server)),
  departed: plan.departed.filter((server) => server.id !== id),
})

const unchanged = (server: PlannedServer): Change => [server, []]

const changed = (
  servers: readonly PlannedServer[],
  change: (server: PlannedServer) => Change,
): readonly [readonly PlannedServer[], readonly PlanEffect[]] => {
  const changes = servers.map(change)
  return [changes.map(([server]) => server), changes.flatMap(([, effects]) => effects)]
}
