// What systemd hears of a balancer: that it is ready, that it stops, its state in a sentence, and that it lives.

import { type Millis, millis } from '../core/time.ts'
import { monotonicNow } from '../os/clock.ts'
import { watchdogMillis } from '../os/systemd.ts'
import type { ProcessRole } from './core/processes.ts'

/** Without systemd every call changes nothing. */
export type ServiceManager = {
  readonly ready: () => void
  readonly stopping: () => void
  /** This process has said something. */
  readonly heard: (role: ProcessRole) => void
  /** This process is not needed any more, and says nothing. */
  readonly forget: (role: ProcessRole) => void
  /** What `text` tells may be another thing now. */
  readonly changed: () => void
  /** All children are gone. */
  readonly end: () => void
}

/** A burst of changes is one. */
const statusDelay = 200
const feedsPerPeriod = 2
/**
 * A child so silent is not being started again, nor killed for its silence, as it should have been long ago: only another
 * supervisor can help.
 */
const longestSilence = millis(60_000)

/**
 * Feeds the watchdog from now on, as long as the loop turns and no child is silent for good. `roles` are those that run from the start; `text` is the sentence; systemd
 * listens to one process alone, which `notify` reaches.
 */
export const startServiceManager = (
  roles: Iterable<ProcessRole>,
  text: () => string,
  notify: (message: string) => void,
): ServiceManager => {
  const heardAt = new Map<ProcessRole, Millis>([...roles].map((role) => [role, monotonicNow()]))
  const period = watchdogMillis()
  const feed = (): void => {
    const now = monotonicNow()
    if ([...heardAt.values()].every((at) => now - at < longestSilence)) notify('WATCHDOG=1')
  }
  const feeding = period === null ? undefined : setInterval(feed, period / feedsPerPeriod)
  let shown = ''
  let due: NodeJS.Timeout | undefined
  let isStopping = false
  const show = (): void => {
    due = undefined
    const now = text()
    if (now !== shown && !isStopping) notify(`STATUS=${now}`)
    shown = now
  }
  return {
    ready: () => {
      notify('READY=1')
      show()
    },
    stopping: () => {
      isStopping = true
      notify('STOPPING=1\nSTATUS=Stopping: handing the addresses over')
    },
    heard: (role) => void heardAt.set(role, monotonicNow()),
    forget: (role) => void heardAt.delete(role),
    changed: () => {
      due ??= setTimeout(show, statusDelay)
    },
    end: () => {
      clearInterval(feeding)
      clearTimeout(due)
    },
  }
}
