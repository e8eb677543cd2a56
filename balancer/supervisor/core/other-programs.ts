// Which facts go to the programs before and after this one.

import type { Fact } from '../../pool/core/facts.ts'

/** Whether earlier programs that still have sessions have to hear of it. */
export const isForKeepers = ({ fact }: Fact): boolean => fact === 'server-health' || fact === 'writer'

/** Whether a program that takes over goes by it: what a process told that is gone by then says nothing. */
export const isLasting = ({ fact }: Fact): boolean => !['heartbeat', 'process', 'listener', 'host'].includes(fact)
