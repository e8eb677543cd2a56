// Orders of operators for VRRP instances, on their way to the vrrp process, and the answers on their way back.

import type { ProcessRole } from './core/processes.ts'
import type { ReloadResult, RouterOrder, ToChild } from './messages.ts'

/** The orders that are not answered yet. */
export type RouterOrders = {
  /** Passes on an order of the process `asker`, which knows it by `id`. */
  readonly pass: (asker: ProcessRole, id: number, instance: string, order: RouterOrder) => void
  /** The vrrp process has answered; `number` is what it was told. */
  readonly answer: (number: number, result: ReloadResult) => void
  readonly died: (role: ProcessRole) => void
}

/** No order yet. `send` gives a message to a process, and is false where there is none to take it. */
export const createRouterOrders = (send: (role: ProcessRole, message: ToChild) => boolean): RouterOrders => {
  /** By numbers of this process: an asker that was started again begins to count anew. */
  const waiting = new Map<number, { readonly asker: ProcessRole; readonly id: number }>()
  let last = 0

  const answer: RouterOrders['answer'] = (number, result) => {
    const order = waiting.get(number)
    waiting.delete(number)
    if (order !== undefined) send(order.asker, { type: 'router-ordered', id: order.id, result })
  }
  return {
    pass: (asker, id, instance, order) => {
      last += 1
      const number = last
      waiting.set(number, { asker, id })
      if (!send('vrrp', { type: 'router-order', id: number, instance, order })) answer(number, notRunning)
    },
    answer,
    died: (role) => {
      for (const [number, { asker }] of waiting) if (asker === role) waiting.delete(number)
      if (role !== 'vrrp') return
      for (const number of [...waiting.keys()]) answer(number, justDied)
    },
  }
}

const notRunning: ReloadResult = { ok: false, lines: ['the vrrp process is not running just now; try again'] }
const justDied: ReloadResult = { ok: false, lines: ['the vrrp process died; look with show vrrp'] }
