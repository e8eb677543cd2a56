// How the sessions of a server end when it must not have them any more: at once, after the configured grace, or, where
// they are logging in and the server still works, when they have had the time for that.

import type { Millis } from '../../core/time.ts'
import { everybody, nobody, type ServerSlot } from './server-slot.ts'
import type { SessionEnd } from './session.ts'

/** How long a login takes, far networks and TLS included. */
export const loginMillis = 500

/** The sessions that are about to end. */
export type LeaveTaking = {
  /** Ends what the server has; who is logging in has its time where the server still works. */
  readonly vacate: (slot: ServerSlot, reason: SessionEnd) => void
  /** Does so after a grace. */
  readonly vacateAfter: (slot: ServerSlot, reason: SessionEnd, grace: Millis) => void
  /** The server may keep what it has. */
  readonly takeBack: (slot: ServerSlot) => void
  readonly stop: () => void
}

/** Nobody leaves. */
export const createLeaveTaking = (): LeaveTaking => {
  const graces = new Map<ServerSlot, NodeJS.Timeout>()
  const logins = new Map<ServerSlot, NodeJS.Timeout>()
  const cancel = (timers: Map<ServerSlot, NodeJS.Timeout>, slot: ServerSlot): void => {
    clearTimeout(timers.get(slot))
    timers.delete(slot)
  }

  const vacate = (slot: ServerSlot, reason: SessionEnd): void => {
    cancel(graces, slot)
    if (!slot.stillWorks()) cancel(logins, slot)
    const now = performance.now()
    slot.empty(reason, slot.stillWorks() ? now - loginMillis : everybody)
    // Whoever has its time already gets no more.
    if (!slot.isOccupied() || logins.has(slot)) return
    const end = (): void => {
      logins.delete(slot)
      // Not those who came since, where it is wanted again.
      slot.empty(reason, now)
    }
    logins.set(slot, setTimeout(end, loginMillis))
  }
  return {
    vacate,
    vacateAfter: (slot, reason, grace) => {
      slot.empty(reason, nobody)
      if (grace === 0) vacate(slot, reason)
      else graces.set(slot, setTimeout(vacate, grace, slot, reason))
    },
    takeBack: (slot) => {
      cancel(graces, slot)
      cancel(logins, slot)
    },
    stop: () => {
      for (const timers of [graces, logins]) for (const timer of timers.values()) clearTimeout(timer)
    },
  }
}
