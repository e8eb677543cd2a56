// The stream of one agent as a state machine: when to connect, when it is silent for too long, and when to try again.

import { type Millis, millis } from '../../core/time.ts'

/** Why a stream is over. `fault`: it sent what is none; `refused`: the agent has no stream for us. */
export type Loss = 'ended' | 'silent' | 'goodbye' | 'fault' | 'refused'

/**
 * `idle`: nobody offers a stream. `waiting`: for the next try, at `until`; `wasAbsent` where nobody was there at the last one. `opening`: `until` the head of the answer has to be there.
 * `open`: `since` then, and heard of last at `heardAt`. `failures` in a row lengthen the wait.
 */
export type WatchState =
  | { readonly is: 'idle'; readonly failures: number }
  | { readonly is: 'waiting'; readonly failures: number; readonly until: Millis; readonly wasAbsent: boolean }
  | { readonly is: 'opening'; readonly failures: number; readonly until: Millis }
  | { readonly is: 'open'; readonly failures: number; readonly since: Millis; readonly heardAt: Millis }

/** What happened. `spread` is a random number from 0 to 1: many balancers must not come back at the same moment. */
export type WatchEvent = { readonly now: Millis; readonly spread: number } & (
  | { readonly event: 'offered'; readonly isOffered: boolean }
  | { readonly event: 'opened' }
  | { readonly event: 'heard' }
  | { readonly event: 'over'; readonly why: Exclude<Loss, 'silent'> }
  | { readonly event: 'deadline' }
)

/** What to do. `lost` is told of a stream that was open: the server has to be checked. */
export type WatchEffect =
  | { readonly effect: 'connect' }
  | { readonly effect: 'disconnect' }
  | { readonly effect: 'lost'; readonly why: Loss }

export type WatchStep = { readonly state: WatchState; readonly effects: readonly WatchEffect[] }

/** How often a heartbeat comes, and how long the head of an answer may take. */
export type WatchPace = { readonly heartbeat: Millis; readonly timeout: Millis }

/** A stream that nobody has offered. */
export const watchStart: WatchState = { is: 'idle', failures: 0 }

/** So many heartbeats missed are a silence. */
const missedHeartbeats = 4
const firstWait = 250
const longestWait = 10_000
/** Of all balancers that see an agent come back. */
const returnWait = 500
/** Who sends nonsense, or offers what it does not have. */
const pariahWait = 60_000
/** A stream that lived so long was worth it. */
const worthyMillis = 10_000

/** When the state wants to be looked at again; null for never. */
export const watchDeadline = (state: WatchState, { heartbeat }: WatchPace): Millis | null => {
  switch (state.is) {
    case 'idle':
      return null
    case 'waiting':
    case 'opening':
      return state.until
    case 'open':
      return millis(state.heardAt + missedHeartbeats * heartbeat)
    default:
      return state satisfies never
  }
}

/** The state after an event, and what to do. What does not concern a state changes nothing. */
export const stepWatch = (state: WatchState, event: WatchEvent, pace: WatchPace): WatchStep => {
  const { now } = event
  switch (event.event) {
    case 'offered':
      return offered(state, event, pace)
    case 'opened':
      return state.is === 'opening'
        ? quiet({ is: 'open', failures: state.failures, since: now, heardAt: now })
        : quiet(state)
    case 'heard':
      return quiet(state.is === 'open' ? { ...state, heardAt: now } : state)
    case 'over':
      return state.is === 'opening' || state.is === 'open' ? over(state, event.why, event) : quiet(state)
    case 'deadline': {
      const due = watchDeadline(state, pace)
      if (due === null || now < due) return quiet(state)
      return state.is === 'opening' || state.is === 'open' ? over(state, 'silent', event) : connect(state, now, pace)
    }
    default:
      return event satisfies never
  }
}

const quiet = (state: WatchState): WatchStep => ({ state, effects: [] })

const connect = ({ failures }: WatchState, now: Millis, { timeout }: WatchPace): WatchStep => ({
  state: { is: 'opening', failures, until: millis(now + timeout) },
  effects: [{ effect: 'connect' }],
})

type Offered = Extract<WatchEvent, { readonly event: 'offered' }>

/** An answer without an offer ends the tries; a stream that is open speaks for itself. Who was away and answers again is there. */
const offered = (state: WatchState, { isOffered, now, spread }: Offered, pace: WatchPace): WatchStep => {
  if (state.is === 'idle') return isOffered ? connect(state, now, pace) : quiet(state)
  if (state.is !== 'waiting') return quiet(state)
  if (!isOffered) return quiet({ is: 'idle', failures: state.failures })
  const soon = millis(Math.min(state.until, now + returnWait * spread))
  return quiet(state.wasAbsent ? { ...state, until: soon } : state)
}

type Alive = Extract<WatchState, { readonly is: 'opening' | 'open' }>

const over = (state: Alive, why: Loss, { now, spread }: WatchEvent): WatchStep => {
  const wasWorthy = state.is === 'open' && now - state.since >= worthyMillis
  const failures = wasWorthy ? 0 : state.failures + 1
  const isPariah = why === 'fault' || why === 'refused'
  const wait = isPariah ? pariahWait : Math.min(longestWait, firstWait * 2 ** Math.min(failures, 10))
  const until = millis(now + wait * (0.5 + spread))
  const lost = state.is === 'open' ? [{ effect: 'lost', why } as const] : []
  const wasAbsent = state.is === 'opening' && !isPariah
  return { state: { is: 'waiting', failures, until, wasAbsent }, effects: [{ effect: 'disconnect' }, ...lost] }
}
