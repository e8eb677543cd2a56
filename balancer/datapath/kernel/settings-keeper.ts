// Holds the settings of this host that the listeners need, and says when one cannot be had.

import type { Logger } from 'pino'
import type { ListenerConfig } from '../../config/schema.ts'
import { textOf } from '../../core/error-text.ts'
import type { HostView } from '../core/host-view.ts'
import { forwardingDemand } from './core/forwarding.ts'

import { holdSettings, stepText } from './host-settings.ts'
import { forwardedListeners, readHostView } from './host-view.ts'

/** What holds them. */
export type SettingsKeeper = {
  /**
   * Sets what is missing and puts back what is not needed any more: when listeners are others, and from time to time, for somebody
   * else may change it.
   */
  readonly hold: (because: 'listeners' | 'time') => void
  /** Why clients are not forwarded; null where they are. */
  readonly trouble: () => string | null
}

export type SettingsKeeperOptions = {
  readonly listeners: () => readonly ListenerConfig[]
  readonly places: () => HostView['places']
  readonly log: Logger
}

/** Nothing is set before the first call. */
export const keepSettings = ({ listeners, places, log }: SettingsKeeperOptions): SettingsKeeper => {
  let trouble: string | null = null
  let said = ''
  let warned = false

  const say = (failed: readonly string[]): void => {
    const text = failed.join('; ')
    if (text !== said && text !== '') log.error(`Settings of this host are not what they should be: ${text}`)
    said = text
  }
  const hold: SettingsKeeper['hold'] = (because) => {
    const forwarded = forwardedListeners(listeners())
    const forwarding = forwardingDemand(forwarded, readHostView(places()))
    try {
      const report = holdSettings({ forwarding, accounting: true, timestamps: true, events: true })
      const changed = report.changed.map(stepText)
      if (changed.length > 0) {
        if (because === 'listeners') log.info({ settings: changed }, `Set ${changed.join(', ')}`)
        else log.warn({ settings: changed }, `Set ${changed.join(', ')}, which somebody or a new route had changed`)
      }
      if (report.routesEverything && !warned) {
        warned = true
        log.warn(
          'This kernel forwards IPv6 between all networks of this host or none: all for now, until the balancer is stopped',
        )
      }
      say(report.failed)
      const off = report.failed.filter((text) => text.includes('forwarding'))
      trouble = off.length === 0 ? null : `this host does not forward: ${off.join('; ')}`
    } catch (error) {
      const text = textOf(error)
      say([`what they were before cannot be remembered, so they stay: ${text}`])
      trouble = `this host may not forward: ${text}`
    }
  }
  return { hold, trouble: () => trouble }
}
