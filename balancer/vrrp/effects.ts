// Carries out what the state machine of one virtual router asks for. What fails comes back as an event, or is told.

import type { VrrpInstanceConfig } from '../config/vrrp-schema.ts'
import type { Outcome } from '../os/outcome.ts'
import type { Effect, Happening, VirtualRouter } from './core/state.ts'
import type { HiddenAddresses } from './hidden-addresses.ts'
import { identityOf, placesOf, stateShown } from './instance.ts'
import type { Report } from './report.ts'
import type { VirtualAddresses } from './virtual-addresses.ts'

/** What effects work with. `send` hands an advertisement to the wire; undefined while there is none. */
export type EffectsOptions = {
  readonly config: () => VrrpInstanceConfig
  readonly router: () => VirtualRouter
  readonly addresses: VirtualAddresses
  readonly hidden: HiddenAddresses
  readonly report: Report
  readonly send: (priority: number) => Outcome | undefined
  readonly dispatch: (happening: Happening) => void
}

/** Executes effects in the order of the calls; what takes time goes on behind them. */
export type Effects = {
  readonly execute: (effect: Effect) => void
  readonly advertise: (priority: number) => void
  /** Resolves when the addresses are gone that had to go last. */
  readonly removed: () => Promise<void>
}

/** Seconds; a hand-over takes at most five. */
const longestHiding = 6

/** Makes the hands of one virtual router. */
export const createEffects = (options: EffectsOptions): Effects => {
  const { config, router, addresses, hidden, report, send, dispatch } = options
  let removal: Promise<void> = Promise.resolve()
  const owner = (): string => identityOf(config())
  const show = (): void => {
    void hidden.show(owner()).then((shown) => {
      if (!shown.ok) report.trouble('hide', shown.text)
    })
  }
  const advertise = (priority: number): void => {
    const sent = send(priority)
    if (sent === undefined) return
    if (!sent.ok) {
      report.trouble('send', sent.text)
      dispatch({ event: 'advertisement-failed' })
      return
    }
    report.sent()
    dispatch({ event: 'advertisement-sent' })
  }
  const execute = (effect: Effect): void => {
    switch (effect.effect) {
      case 'add-addresses':
        show()
        void addresses.set(effect.lease).then((set) => {
          dispatch(set.ok ? { event: 'addresses-added' } : { event: 'addresses-failed', reason: set.text })
        })
        return
      case 'renew-addresses':
        void addresses.set(effect.lease).then((set) => {
          if (!set.ok) dispatch({ event: 'addresses-failed', reason: set.text })
        })
        return
      case 'remove-addresses':
        removal = addresses.remove().then((removed) => {
          if (!removed.ok) report.trouble('remove', `${removed.text}; the kernel does it when the lease ends`)
          show()
        })
        return
      case 'hide-addresses':
        void hidden.hide(owner(), placesOf(config()), longestHiding).then((hiding) => {
          if (!hiding.ok) report.trouble('hide', `${hiding.text}; clients may for a moment learn the old place`)
        })
        return
      case 'announce-addresses': {
        const announced = addresses.announce(effect.copies)
        if (!announced.ok) report.trouble('announce', announced.text)
        return
      }
      case 'send-advertisement':
        advertise(effect.priority)
        return
      case 'report-transition':
        report.transition(stateShown(router()), effect.text, effect.reason)
        return
      case 'report-notice':
        report.notice(effect.about, effect.text)
        return
      default:
        effect satisfies never
    }
  }
  return { execute, advertise, removed: () => removal }
}
