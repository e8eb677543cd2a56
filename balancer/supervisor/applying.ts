// A configuration on its way to a process, and the answer on its way back.

import type { BalancerConfig } from '../config/schema.ts'
import { applyLimit, type ProcessRole, silentApplyLimit } from './core/processes.ts'
import type { ReloadResult, ToChild } from './messages.ts'

/** The processes that have been asked to apply a configuration, and have not answered. */
export type Applying = {
  readonly apply: (role: ProcessRole, config: BalancerConfig) => Promise<ReloadResult>
  readonly answer: (role: ProcessRole, id: number, result: ReloadResult) => void
  /** It said that it lives. */
  readonly heard: (role: ProcessRole) => void
  readonly died: (role: ProcessRole) => void
  /** No process is asked any more, for this reason. */
  readonly end: (reason: string) => void
}

type Asked = { readonly id: number; readonly settle: (result: ReloadResult) => void; readonly heard: () => void }

const busy =
  'it lives, but this host is overloaded, or nft or a disk is slow; its lines in the log say more. Reload again'
const silent = 'it says nothing, and is started anew after 30 s of that. Reload again then'

/** Nobody is asked yet. `send` gives a message to a process, and is false where there is none to take it; limits in milliseconds. */
export const createApplying = (
  send: (role: ProcessRole, message: ToChild) => boolean,
  [limit, silentLimit] = [applyLimit, silentApplyLimit],
): Applying => {
  /** By a number: the answer of a process that was late must not pass for that to a later question. */
  const applying = new Map<ProcessRole, Asked>()
  let last = 0
  let ended: string | null = null
  const refused = (line: string): ReloadResult => ({ ok: false, lines: [line] })
  return {
    apply: (role, config) =>
      new Promise((resolve) => {
        if (ended !== null) {
          resolve(refused(ended))
          return
        }
        last += 1
        const id = last
        const timers: { silence?: NodeJS.Timeout; all?: NodeJS.Timeout } = {}
        const settle = (result: ReloadResult): void => {
          if (applying.get(role)?.id !== id) return
          for (const timer of Object.values(timers)) clearTimeout(timer)
          applying.delete(role)
          resolve(result)
        }
        const late = (within: number, why: string): void =>
          settle(refused(`the process ${role} did not apply it within ${within / 1000} s: ${why}`))
        let words = 0
        const listen = (): void => {
          const before = words
          clearTimeout(timers.silence)
          // After a stall of this process timers fire before it hears what was said meanwhile.
          const ifSilent = (): void => void (words === before && late(silentLimit, silent))
          timers.silence = setTimeout(() => setImmediate(ifSilent), silentLimit)
        }
        const heard = (): void => {
          words += 1
          listen()
        }
        applying.set(role, { id, settle, heard })
        listen()
        timers.all = setTimeout(() => setImmediate(() => late(limit, busy)), limit)
        const isTaken = send(role, { type: 'reconfigure', id, config })
        if (!isTaken) settle(refused(`the process ${role} is not running just now; try again`))
      }),
    answer: (role, id, result) => {
      const asked = applying.get(role)
      if (asked?.id === id) asked.settle(result)
    },
    heard: (role) => applying.get(role)?.heard(),
    died: (role) => applying.get(role)?.settle(refused(`the process ${role} died while it applied it`)),
    end: (reason) => {
      ended = reason
      for (const { settle } of applying.values()) settle(refused(reason))
    },
  }
}
