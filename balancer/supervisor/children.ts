// The processes of one supervisor: those that run from the start, and those that a reload begins and ends.

import { closeHandle, type ListeningHandle } from '../os/listening-handle.ts'
import type { SupervisedProcess } from './child-process.ts'
import { beginLimit, type ProcessRole } from './core/processes.ts'
import type { ReloadResult, ToChild } from './messages.ts'

/** The children there are. */
export type Children = {
  /** False when there is no process to take the message. A handle is closed here when it is sent. */
  readonly send: (role: ProcessRole, message: ToChild, handle?: ListeningHandle) => boolean
  readonly get: (role: ProcessRole) => SupervisedProcess | undefined
  readonly roles: () => readonly ProcessRole[]
  readonly start: (role: ProcessRole, mayBegin: Promise<void>) => void
  /** Starts one that a reload needs. The answer says whether it has begun its work; one that cannot is gone by then. */
  readonly begin: (role: ProcessRole) => Promise<ReloadResult>
  /** Whether a reload waits for it to begin: its death is not followed by another start. */
  readonly isAwaited: (role: ProcessRole) => boolean
  readonly begun: (role: ProcessRole) => void
  /** It cannot begin, for this reason. */
  readonly failed: (role: ProcessRole, reason: string) => void
  /** Stops one that no listener needs any more; it is not one of the children then. */
  readonly end: (role: ProcessRole) => Promise<void>
  /** From now on none is started, nor started again, for this reason. */
  readonly letDie: (reason: string) => void
}

export type ChildrenOptions = {
  readonly supervise: (role: ProcessRole, mayBegin: Promise<void>) => SupervisedProcess
  readonly onEnded: (role: ProcessRole) => void
}

/** No process yet. */
export const createChildren = ({ supervise, onEnded }: ChildrenOptions): Children => {
  const processes = new Map<ProcessRole, SupervisedProcess>()
  let isOver: string | null = null
  const awaited = new Map<ProcessRole, (result: ReloadResult) => void>()

  const start: Children['start'] = (role, mayBegin) => {
    processes.set(role, supervise(role, mayBegin))
  }
  const settled = (role: ProcessRole): Promise<ReloadResult> =>
    new Promise((resolve) => {
      const late = setTimeout(() => failed(role, `it has not begun within ${beginLimit / 1000} s`), beginLimit)
      awaited.set(role, (result) => {
        clearTimeout(late)
        awaited.delete(role)
        resolve(result)
      })
    })
  const failed: Children['failed'] = (role, reason) =>
    awaited.get(role)?.({ ok: false, lines: [`the process ${role} could not be started: ${reason}`] })
  const end: Children['end'] = async (role) => {
    await processes.get(role)?.stop()
    processes.delete(role)
    onEnded(role)
  }

  return {
    send: (role, message, handle) => {
      const child = processes.get(role)
      if (child === undefined) closeHandle(handle)
      return child?.send(message, handle) ?? false
    },
    get: (role) => processes.get(role),
    roles: () => [...processes.keys()],
    start,
    begin: async (role) => {
      if (isOver !== null) return { ok: false, lines: [isOver] }
      const begun = settled(role)
      start(role, Promise.resolve())
      const result = await begun
      if (!result.ok) await end(role)
      return result
    },
    isAwaited: (role) => awaited.has(role),
    begun: (role) => awaited.get(role)?.({ ok: true, lines: [] }),
    failed,
    end,
    letDie: (reason) => {
      isOver = reason
      for (const child of processes.values()) child.letDie()
      for (const role of awaited.keys()) failed(role, reason)
    },
  }
}
