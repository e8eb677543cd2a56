// What each tracked failure will lead to, told before it happens: for `balancer check`.

import { faultOfFile } from './tracking.ts'

/** Something that is tracked, as configured. A file's number is multiplied with its weight; `isShared`: see `Tracked`. */
export type Watched = {
  readonly name: string
  readonly weight: number
  readonly kind: 'state' | 'file'
  readonly isShared?: boolean
}

/** A virtual router as configured here, and what the other one is configured with; null: nobody said. */
export type Prospect = {
  readonly name: string
  readonly priority: number
  readonly preempt: boolean
  readonly peer: { readonly priority: number; readonly preempt: boolean } | null
  readonly watched: readonly Watched[]
}

/** One line for the operator; a warning where a failure would lead to nothing, or perhaps to nothing. */
export type Outlook = { readonly isWarning: boolean; readonly text: string }

const owner = 255
const highest = 254
const lowest = 1
const clamped = (priority: number): number => Math.min(highest, Math.max(lowest, priority))

/** One line for each thing that is tracked. */
export const outlookOf = (router: Prospect): readonly Outlook[] => router.watched.map((one) => outlookFor(router, one))

const outlookFor = (router: Prospect, watched: Watched): Outlook => {
  const subject = `${router.name}: ${watched.name}`
  if (watched.kind === 'file') return fileOutlook(subject, watched.weight)
  if (watched.weight === 0) return { isWarning: false, text: `${subject}: FAULT, gives the address up at once` }
  if (router.priority === owner) {
    return {
      isWarning: true,
      text: `${subject}: the address owner (priority 255) keeps its priority: this failure moves nothing`,
    }
  }
  // All is well: everything that adds, adds.
  const bonus = router.watched.reduce((sum, one) => sum + (one.kind === 'state' ? Math.max(0, one.weight) : 0), 0)
  const sum = router.priority + bonus
  const well = clamped(sum)
  const failed = clamped(sum - Math.abs(watched.weight))
  const step = `priority ${well} -> ${failed}`
  if (failed === well) {
    return {
      isWarning: true,
      text: `${subject}: priority stays ${well}, for it cannot leave ${lowest} to ${highest}: this failure moves nothing`,
    }
  }
  const { isWarning, text } =
    router.peer === null ? withoutPeer(failed) : withPeer(router, router.peer, well, failed, watched.isShared === true)
  return { isWarning, text: `${subject}: ${step}: ${text}` }
}

const fileOutlook = (subject: string, weight: number): Outlook =>
  weight === 0
    ? { isWarning: false, text: `${subject}: any number but 0 is FAULT, gives the address up at once` }
    : {
        isWarning: false,
        text: `${subject}: its number times ${weight} is added to the priority; ${faultOfFile} or less is FAULT`,
      }

const withoutPeer = (failed: number): Outlook => ({
  isWarning: false,
  text: `a peer of priority ${failed + 1} or more takes over, a lower one does not`,
})

/** Two routers of this program: whoever is above takes over, also one that does not preempt if it was heard before. */
const withPeer = (
  { preempt }: Prospect,
  peer: NonNullable<Prospect['peer']>,
  well: number,
  failed: number,
  isShared: boolean,
): Outlook => {
  const theirs = `the peer's ${peer.priority}`
  if (failed > peer.priority) {
    return { isWarning: true, text: `still above ${theirs}: this failure moves nothing` }
  }
  if (failed === peer.priority) {
    return {
      isWarning: true,
      text: `equal to ${theirs}, and a backup takes over from lower ones only: this failure moves nothing`,
    }
  }
  const heardBefore = isShared
    ? 'but the peer does not preempt, and nothing is handed over for what it may see too: this failure moves nothing'
    : 'but the peer does not preempt: it takes over only if this host has heard it as master since the start'
  if (well < peer.priority && !peer.preempt) {
    return { isWarning: true, text: `below ${theirs} before and after, ${heardBefore}` }
  }
  if (well < peer.priority) {
    return { isWarning: false, text: `below ${theirs} before and after: this host is backup while the peer is well` }
  }
  const after =
    well === peer.priority
      ? ''
      : preempt
        ? '; after recovery this host takes it back'
        : '; after recovery it stays there'
  return peer.preempt
    ? { isWarning: false, text: `below ${theirs}: the peer takes over${after}` }
    : {
        isWarning: true,
        text: `below ${theirs}, ${heardBefore}${isShared ? '' : after}`,
      }
}
