// All contestants, in the order of the table. Another one is a file beside these and a line here.

import type { Contestant } from './contestant.ts'
import { kernel, userspace } from './contestants/balancer.ts'
import { direct } from './contestants/direct.ts'
import { haproxyDefaults, haproxyOneThread } from './contestants/haproxy.ts'
import { nftlb } from './contestants/nftlb.ts'

/** By the name that the flags take. */
export const contestants: Readonly<Record<string, Contestant>> = {
  direct,
  kernel,
  nftlb,
  haproxy: haproxyDefaults,
  haproxy1: haproxyOneThread,
  userspace,
}

/** Their names, in that order. */
export const contestantNames: readonly string[] = Object.keys(contestants)
