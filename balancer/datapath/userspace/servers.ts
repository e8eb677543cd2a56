// The servers of a listener in user space: their slots, kept as the plan of the listener says, and who of them takes sessions.

import type { ListenerConfig } from '../../config/schema.ts'
import type { ServerHealthFact } from '../../pool/core/facts.ts'
import type { Place, PlanEffect, Target, Targets } from '../core/plan.ts'
import { everybody } from '../core/planned-server.ts'
import { runPlan } from '../running-plan.ts'
import type { ChoosableServer } from './core/choice.ts'
import { createServerSlot, type ServerSlot } from './server-slot.ts'

/** A server that takes sessions, with those it has. */
export type Candidate = ChoosableServer & { readonly slot: ServerSlot }

/** The servers of a listener. What must end ends while they hear of it. */
export type Servers = {
  readonly hear: (fact: ServerHealthFact) => void
  readonly setWriter: (server: string | null) => void
  readonly reconfigure: (config: ListenerConfig) => void
  /** Those that are configured, in the order of the file. */
  readonly slots: () => readonly ServerSlot[]
  /** Those that take sessions now. */
  readonly candidates: () => readonly Candidate[]
  /** Ends the sessions of a server for an operator, of one that a reload took away too. Returns how many. */
  readonly endSessions: (server: string) => number
  readonly isHandingOver: () => boolean
  readonly isPanicking: () => boolean
  readonly stop: () => void
}

export type ServersOptions = {
  readonly config: ListenerConfig
  /** A server takes sessions again: whoever failed there before may try it. */
  readonly onReopened: (server: string) => void
}

/** Makes the servers of a listener, all down until health facts say otherwise. */
export const createServers = ({ config, onReopened }: ServersOptions): Servers => {
  /** By id; those that a reload took away as long as they keep sessions. */
  const slots = new Map<number, ServerSlot>()
  let seated: { readonly of: Targets; readonly candidates: readonly Candidate[] } | undefined
  /** What the plan cannot know. A server that takes sessions has some again soon. */
  const onEmptied = (slot: ServerSlot): void => {
    const { id } = slot.place()
    if (!running.targets().targets.some((target) => target.id === id)) running.emptied(id)
  }
  const slotOf = (place: Place): ServerSlot => {
    const slot = slots.get(place.id) ?? createServerSlot(place, onEmptied)
    slots.set(place.id, slot)
    return slot
  }
  const carryOut = (effect: PlanEffect): void => {
    const slot = slotOf(effect)
    switch (effect.effect) {
      case 'end-attempts':
        slot.endAttempts(effect.reason)
        break
      case 'end-sessions':
        slot.endBegun(effect.reason, effect.begunBefore)
        break
      case 'forget-failures':
        onReopened(effect.server)
        break
      default:
        effect satisfies never
    }
    if (slot.occupants() === 0) onEmptied(slot)
  }
  let named: ListenerConfig | undefined
  const keepNames = (): void => {
    const { config: now, servers } = running.plan()
    if (now === named) return
    named = now
    for (const server of servers) slotOf(server).rename(server)
  }
  const forgetDeparted = (): void => {
    const { servers, departed } = running.plan()
    if (slots.size === servers.length + departed.length) return
    const ids = new Set([...servers, ...departed].map(({ id }) => id))
    for (const id of slots.keys()) if (!ids.has(id)) slots.delete(id)
  }
  const onStep = (effects: readonly PlanEffect[]): void => {
    keepNames()
    effects.forEach(carryOut)
    forgetDeparted()
  }
  const running = runPlan({ config, adopts: false, onStep })
  keepNames()

  const candidateOf = (target: Target): Candidate => {
    const slot = slotOf(target)
    const { server: name, weight, maximumSessions } = target
    return {
      name,
      weight,
      maximumSessions,
      slot,
      get sessions() {
        return slot.occupants()
      },
    }
  }
  return {
    hear: running.hear,
    setWriter: running.setWriter,
    reconfigure: running.reconfigure,
    slots: () => running.plan().servers.map(slotOf),
    candidates: () => {
      const of = running.targets()
      if (seated?.of !== of) seated = { of, candidates: of.targets.map(candidateOf) }
      return seated.candidates
    },
    endSessions: (server) =>
      [...slots.values()]
        .filter((slot) => slot.place().server === server)
        .reduce((sum, slot) => {
          const sessions = slot.sessions()
          slot.endBegun('ordered', everybody)
          return sum + sessions
        }, 0),
    isHandingOver: () => running.targets().isHandingOver,
    isPanicking: () => running.targets().isPanicking,
    stop: running.stop,
  }
}
