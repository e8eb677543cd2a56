// A configuration on its way to a process, and the answer on its way back.

import type { BalancerConfig } from '../config/schema.ts'
import { applyLimit, type ProcessRole } from './core/processes.ts'
import type { ReloadResult, ToChild } from './messages.ts'

/** The processes that have been asked to apply a configuration, and have not answered. */
export type Applying = {
  readonly apply: (role: ProcessRole, config: BalancerConfig) => Promise<ReloadResult>
  readonly answer: (role: ProcessRole, id: number, result: ReloadResult) => void
  readonly died: (role: ProcessRole) => void
  /** No process is asked any more, for this reason. */
  readonly end: (reason: string) => void
}

/** Nobody is asked yet. `send` gives a message to a process, and is false where there is none to take it. */
export const createApplying = (send: (role: ProcessRole, message: ToChild) => boolean): Applying => {
  /** By a number: the answer of a process that was late must not pass for that to a later question. */
  const applying = new Map<ProcessRole, { readonly id: number; readonly settle: (result: ReloadResult) => void }>()
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
        const settle = (result: ReloadResult): void => {
          clearTimeout(limit)
          applying.delete(role)
          resolve(result)
        }
        const late = `the process ${role} did not apply it within ${applyLimit / 1000} s`
        const limit = setTimeout(() => settle(refused(late)), applyLimit)
        last += 1
        const id = last
        applying.set(role, { id, settle })
        const isTaken = send(role, { type: 'reconfigure', id, config })
        if (!isTaken) settle(refused(`the process ${role} is not running just now; try again`))
      }),
    answer: (role, id, result) => {
      const asked = applying.get(role)
      if (asked?.id === id) asked.settle(result)
    },
    died: (role) => applying.get(role)?.settle(refused(`the process ${role} died while it applied it`)),
    end: (reason) => {
      ended = reason
      for (const { settle } of applying.values()) settle(refused(reason))
    },
  }
}
