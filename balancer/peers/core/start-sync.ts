// Whether a balancer that starts has heard what the others have to tell before it may be master.

import { type Millis, millis } from '../../core/time.ts'

/** One peer, seen by the waiting one. `isSynced`: it has told all that it has. */
export type AwaitedPeer = { readonly name: string; readonly isConnected: boolean; readonly isSynced: boolean }

/** Who cannot be connected within that long is not waited for. */
export const connectLimit = millis(3000)
/** Nobody is waited for longer. */
export const syncLimit = millis(10_000)

/** `missing`: peers that have not told what they have. */
export type StartSync = {
  readonly isOver: boolean
  readonly missing: readonly string[]
  readonly lookAt: Millis | null
}

/** Looks `now` at a start that began at `begunAt`; `lookAt` is when to look again where nothing else happens. */
export const startSync = (begunAt: Millis, now: Millis, peers: readonly AwaitedPeer[]): StartSync => {
  const open = peers.filter(({ isSynced }) => !isSynced)
  const awaited = now - begunAt >= connectLimit ? open.filter(({ isConnected }) => isConnected) : open
  const isOver = awaited.length === 0 || now - begunAt >= syncLimit
  const next = now - begunAt < connectLimit ? connectLimit : syncLimit
  return { isOver, missing: open.map(({ name }) => name), lookAt: isOver ? null : millis(begunAt + next) }
}
