// All contestants, in the order of the table. Another one is a file beside these and a line here.

import type { Contestant } from './contestant.ts'
import { direct, kernel, userspace } from './contestants/balancer.ts'
import { haproxyDefaults, haproxyOneThread } from './contestants/haproxy.ts'
import { nftlb, nftlbDsr } from './contestants/nftlb.ts'
import { none } from './contestants/none.ts'

/** By the name that the flags take. */
export const contestants: Readonly<Record<string, Contestant>> = {
  none,
  direct,
  'nftlb-dsr': nftlbDsr,
  kernel,
  nftlb,
  haproxy: haproxyDefaults,
  haproxy1: haproxyOneThread,
  userspace,
}

/** Their names, in that order. */
export const contestantNames: readonly string[] = Object.keys(contestants)
