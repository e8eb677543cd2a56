// What an operator orders of a virtual router (`balancer vrrp`), carried out to its end, and what came of it.

import type { VrrpInstanceConfig } from '../config/vrrp-schema.ts'
import { ownerPriority } from '../core/owner-priority.ts'
import { type Outcome, refused } from '../os/outcome.ts'
import type { Happening, VirtualRouter } from './core/state.ts'
import { stateShown } from './instance.ts'

/** Another router shall be master; take no part; take part, and preempt, again. */
export type RouterOrder = 'handover' | 'maint' | 'ready'

/** The router that is ordered about. */
export type OrderedRouter = {
  readonly config: () => VrrpInstanceConfig
  readonly router: () => VirtualRouter
  readonly dispatch: (happening: Happening) => void
  /** Resolves when no hand-over is under way. */
  readonly settled: () => Promise<void>
  readonly isInMaintenance: () => boolean
  /** Puts it into maintenance, or ends that. */
  readonly maintain: (isOrdered: boolean) => void
  readonly publish: () => void
}

/** The returned function resolves when what was ordered has happened, with a sentence of what came of it, or when it cannot. */
export const createOrders = (ordered: OrderedRouter): ((order: RouterOrder) => Promise<Outcome<string>>) => {
  const { config, router, dispatch, settled, isInMaintenance, maintain, publish } = ordered
  const isMaster = (): boolean => router().state === 'master'
  const shown = () => stateShown(router())

  const handOver = async (): Promise<Outcome<string>> => {
    const { name, priority } = config()
    if (shown() !== 'master') return refused('EINVAL', `${name} is ${shown()} here; only a master hands over`)
    if (priority === ownerPriority) {
      return refused('EINVAL', `${name} owns its addresses (priority 255) and takes them back at once; use maint`)
    }
    dispatch({ event: 'handover-ordered' })
    if (router().state !== 'leaving') return refused('EAGAIN', `${name} is only just becoming master; try again`)
    await settled()
    if (isMaster()) return refused('ENOENT', `${name}: no other router took over; this one stays master`)
    return shown() === 'backup'
      ? said(`${name} is handed over; "balancer vrrp ${name} ready" lets this host preempt again`)
      : refused('ECANCELED', `${name} is ${shown()} now: something else came in between`)
  }
  return async (order) => {
    if (order === 'handover') return handOver()
    const { name } = config()
    const wasMaster = shown() === 'master'
    maintain(order === 'maint')
    if (order === 'ready') dispatch({ event: 'handover-revoked' })
    publish()
    await settled()
    if (order === 'ready') return said(`${name} takes part again: ${shown()}`)
    if (!isInMaintenance()) return refused('ECANCELED', `${name}: "ready" was ordered meanwhile`)
    return said(
      `${name} takes no part until "balancer vrrp ${name} ready"${wasMaster ? '; its addresses left this host' : ''}`,
    )
  }
}

const said = (text: string): Outcome<string> => ({ ok: true, value: text })
