// What a client wants to know of the node.

import type { Millis } from '../../core/time.ts'

/** Memberships that can be asked for by themselves. */
export const memberships = ['galera', 'group_replication', 'ndb'] as const

/**
 * `configured`: the check of agent.yaml. `primary` and `replica`: that check and the role. A membership: that test
 * alone. `maximumLag` takes the place of the configured bound, null keeps it.
 */
export type Question =
  | { readonly about: 'configured' | 'primary' | (typeof memberships)[number] }
  | { readonly about: 'replica'; readonly maximumLag: Millis | null }

/** The question of the path `/`. */
export const configuredCheck: Question = { about: 'configured' }
