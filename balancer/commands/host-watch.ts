// What on this host has an address held by nobody or by two, looked at while the balancer runs: rules of others, and keepalived.

import { isDeepStrictEqual } from 'node:util'
import type { Logger } from 'pino'
import type { VrrpInstanceConfig } from '../config/vrrp-schema.ts'
import type { HostFact } from '../pool/core/facts.ts'
import { findAdvertisementRules } from './advertisement-check.ts'
import { type Advice, adviceOf } from './advice.ts'
import { keepalivedRivals, type Rival } from './rivals.ts'

/** Whose instances are watched, and who is told. */
type Watched = {
  readonly routers: () => readonly VrrpInstanceConfig[]
  readonly hear: (fact: HostFact) => void
}

type Found = Advice & { readonly instance: string }

/** Rules come with a firewall that is started later, or with an edit at noon; keepalived with an upgrade of it. */
const interval = 60_000

const isAmong = (all: readonly Found[], { what }: Found): boolean => all.some((one) => one.what === what)

/** Looks now and then; logs and tells what gets in the way of these instances and what does no more. `known`: what was logged already. */
export const watchHost = ({ routers, hear }: Watched, log: Logger, rivals: readonly Rival[]): (() => void) => {
  let known: readonly Found[] = rivals
  let told: readonly Found[] = []
  let dropping: readonly Found[] = []
  let isLooking = false
  const round = async (): Promise<void> => {
    if (isLooking) return
    isLooking = true
    const instances = routers()
    const rules = await findAdvertisementRules(instances)
    isLooking = false
    // A host without nft has no rules that nft could list; what may well pass is no reason to call somebody.
    if (rules.ok) dropping = rules.value.filter(({ isSure }) => isSure)
    const now: readonly Found[] = [...dropping, ...keepalivedRivals(instances)]
    for (const one of now) if (!isAmong(known, one)) log.error(adviceOf(one))
    for (const one of known) if (!isAmong(now, one)) log.info(`No longer: ${one.what}`)
    known = now
    if (isDeepStrictEqual(told, now)) return
    told = now
    hear({ fact: 'host', of: 'rivals', findings: now.map((one) => ({ instance: one.instance, text: adviceOf(one) })) })
  }
  void round()
  const timer = setInterval(() => void round(), interval)
  return () => clearInterval(timer)
}
