// Effects in a few words, for tables and transcripts.

import type { Effect } from '../../../../balancer/vrrp/core/state.ts'

/** One effect as a short phrase. */
export const brief = (effect: Effect): string => {
  switch (effect.effect) {
    case 'add-addresses':
      return 'add'
    case 'renew-addresses':
      return 'renew'
    case 'remove-addresses':
      return 'remove'
    case 'hide-addresses':
      return 'hide'
    case 'announce-addresses':
      return `announce ${effect.copies}`
    case 'send-advertisement':
      return `advertise ${effect.priority}`
    case 'report-transition':
      return effect.text
    case 'report-notice':
      return `notice ${effect.about}`
    default:
      return effect satisfies never
  }
}
