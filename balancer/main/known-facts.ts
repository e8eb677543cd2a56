// What a forwarder has heard of all servers, its own or not: a reload may give it a listener that another one had.

import type { ListenerConfig } from '../config/schema.ts'
import { type DecidingFact, decides } from '../datapath/datapath.ts'
import type { Fact } from '../pool/core/facts.ts'
import { subjectOf } from '../pool/core/pool.ts'

/** The last fact about each server, and about each writer. */
export type KnownFacts = {
  readonly hear: (fact: DecidingFact) => void
  /** What is known of these listeners; the rest is forgotten. */
  readonly of: (listeners: readonly Pick<ListenerConfig, 'name'>[]) => readonly DecidingFact[]
}

/** Begins with what the supervisor knows. */
export const rememberFacts = (first: readonly Fact[]): KnownFacts => {
  const known = new Map<string, DecidingFact>()
  const hear = (fact: DecidingFact): void => void known.set(subjectOf(fact), fact)
  first.filter(decides).forEach(hear)
  return {
    hear,
    of: (listeners) => {
      const names = new Set(listeners.map(({ name }) => name))
      for (const [subject, fact] of known) if (!names.has(fact.listener)) known.delete(subject)
      return [...known.values()]
    },
  }
}
