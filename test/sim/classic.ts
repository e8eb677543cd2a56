// A router with keepalived's manners, made of ours by leaving out what keepalived does not know.

import { millis } from '../../balancer/core/time.ts'
import { step } from '../../balancer/vrrp/core/machine.ts'
import type { Event, Step, VirtualRouter } from '../../balancer/vrrp/core/state.ts'

const resigning = 0

/**
 * One event. A changed priority is first heard in the next advertisement; a backup that hears a lower one waits out its
 * timer; whoever stops or is maintained gives the addresses up at once.
 */
export const classicStep = (router: VirtualRouter, event: Event): Step => {
  switch (event.event) {
    case 'standing-changed':
      if (event.fault !== null || router.failure !== null) return atOnce(step(router, event), event)
      return [{ ...router, settings: { ...router.settings, priority: event.priority } }, []]
    case 'advertisement-received': {
      const { priority, preempt } = router.settings
      const isDiscarded = event.priority !== resigning && event.priority < priority && preempt
      return router.state === 'backup' && isDiscarded ? [router, []] : step(router, event)
    }
    case 'reconfigured':
      return router.state === 'master' ? [{ ...router, settings: event.settings }, []] : step(router, event)
    case 'handover-ordered':
      return [router, []]
    default:
      return atOnce(step(router, event), event)
  }
}

const atOnce = ([router, effects]: Step, { at }: Event): Step => {
  if (router.state !== 'leaving') return [router, effects]
  const [gone, more] = step({ ...router, endsAt: millis(at) }, { at, event: 'deadline-reached' })
  return [gone, [...effects, ...more]]
}
