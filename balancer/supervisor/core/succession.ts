// How a running program makes way for another one, step by step: until the very last step everything can go on as before.

import type { ProcessRole } from './processes.ts'

/** What is waited for: see `step`. */
export type Stage = 'starting' | 'collecting' | 'preparing' | 'stepping-aside' | 'leading' | 'over'

/** A replacement under way. `owing` are processes that have not handed over what they listen on. */
export type Succession = { readonly stage: Stage; readonly owing: ReadonlySet<ProcessRole> }

/** What can happen. `candidate` is the program that is to take over. */
export type SuccessionEvent =
  | { readonly event: 'candidate-loaded' }
  | { readonly event: 'handed-over'; readonly role: ProcessRole }
  | { readonly event: 'candidate-prepared' }
  | { readonly event: 'stepped-aside' }
  | { readonly event: 'candidate-leads' }
  | { readonly event: 'failed'; readonly lines: readonly string[] }
  /** What is waited for has not come within the limit of this stage. */
  | { readonly event: 'late' }

/** Something to do, in the order given. */
export type SuccessionEffect =
  /** The program on disk is started, and told what it needs to load all of itself. */
  | { readonly effect: 'start-candidate' }
  /** The processes that are `owing` give away what they listen on, and go on listening. */
  | { readonly effect: 'collect-handles' }
  /** The other processes begin, beside those here; the other vrrp process prepares all. */
  | { readonly effect: 'begin-candidate' }
  /** The vrrp process here sends nothing any more. */
  | { readonly effect: 'step-aside' }
  /** The other one goes on at once. */
  | { readonly effect: 'lead-candidate' }
  /** It is ended with all its processes, none of which says a word to anybody. */
  | { readonly effect: 'end-candidate' }
  /** The processes here go on where they stopped. */
  | { readonly effect: 'go-on' }
  /** There is no way back: the processes here retire. */
  | { readonly effect: 'retire' }
  /** `isLate`: a host that is busy just now may be quicker another time. */
  | { readonly effect: 'refuse'; readonly lines: readonly string[]; readonly isLate: boolean }

type Step = readonly [Succession, readonly SuccessionEffect[]]

/** A replacement that begins, of a program whose processes these are: all but vrrp may have sockets that others connect to. */
export const beginSuccession = (running: readonly ProcessRole[]): Step => [
  { stage: 'starting', owing: new Set(running.filter((role) => role !== 'vrrp')) },
  [{ effect: 'start-candidate' }],
]

/** The replacement after an event. What comes out of turn, or too late, changes nothing. */
export const stepSuccession = (state: Succession, event: SuccessionEvent): Step => {
  const { stage, owing } = state
  switch (event.event) {
    case 'candidate-loaded':
      return stage === 'starting' ? to(state, 'collecting', 'collect-handles') : [state, []]
    case 'handed-over': {
      if (stage !== 'collecting') return [state, []]
      const left = new Set([...owing].filter((role) => role !== event.role))
      const next = { ...state, owing: left }
      return left.size === 0 ? to(next, 'preparing', 'begin-candidate') : [next, []]
    }
    case 'candidate-prepared':
      return stage === 'preparing' ? to(state, 'stepping-aside', 'step-aside') : [state, []]
    case 'stepped-aside':
      return stage === 'stepping-aside' ? to(state, 'leading', 'lead-candidate') : [state, []]
    case 'candidate-leads':
      return stage === 'leading' ? to(state, 'over', 'retire') : [state, []]
    case 'failed':
      return fail(state, event.lines)
    case 'late':
      return stage === 'over' ? [state, []] : fail(state, [lateness[stage]], stage === 'leading')
    default:
      return event satisfies never
  }
}

const to = (state: Succession, stage: Stage, effect: Exclude<SuccessionEffect['effect'], 'refuse'>): Step => [
  { ...state, stage },
  [{ effect }],
]

const fail = (state: Succession, lines: readonly string[], isLate = false): Step => {
  if (state.stage === 'over') return [state, []]
  // The other program is gone before this one goes on: two must never send at once.
  const effects: readonly SuccessionEffect[] = [{ effect: 'end-candidate' }, { effect: 'go-on' }]
  return [{ ...state, stage: 'over' }, [...effects, { effect: 'refuse', lines: [...lines, goesOn], isLate }]]
}

const goesOn = 'The running program goes on as before.'
const lateness: Readonly<Record<Exclude<Stage, 'over'>, string>> = {
  starting: 'the program on disk did not start in time',
  collecting: 'the processes here did not hand over in time',
  preparing: 'the new processes did not begin in time',
  'stepping-aside': 'the vrrp process here was not ready to step aside in time',
  leading: 'the new vrrp process did not go on in time',
}

const usualLimits: Readonly<Record<Exclude<Stage, 'over' | 'leading'>, number>> = {
  starting: 60_000,
  collecting: 5000,
  preparing: 20_000,
  // Longer than a hand-over, which is waited for.
  'stepping-aside': 8000,
}
const shortestLead = 100
const longestLead = 2000

/** The last step is not waited for for long, and a busy host may be late for it once. */
export const mostAttempts = 2
/** The longest that a replacement takes, in milliseconds: every stage is late. */
export const longestSuccession =
  mostAttempts * Object.values(usualLimits).reduce((sum, limit) => sum + limit, longestLead)

/**
 * How long a stage may take, in milliseconds; null when nothing is waited for. In the last one nobody advertises: other routers
 * miss that after three of the advertisement intervals given, those of the masters here.
 */
export const stageLimit = ({ stage }: Succession, intervals: readonly number[]): number | null => {
  if (stage === 'over') return null
  return stage === 'leading'
    ? Math.max(shortestLead, Math.min(longestLead, ...intervals.map((interval) => 2 * interval)))
    : usualLimits[stage]
}
