// From what is there to what has to be done: which accounts to make, or why nothing must be touched.

import type { Grant } from './grants.ts'
import { lacking } from './grants.ts'
import { type Seen, writeObjection } from './server.ts'
import type { Account, Step } from './statements.ts'

/** What a login as the check user came to, with the password at hand. */
export type Login =
  | { readonly kind: 'in'; readonly account: Account; readonly grants: readonly string[] }
  | { readonly kind: 'refused' }
  | { readonly kind: 'not-tried' }

/** What is there, and what is wanted. */
export type Situation = {
  readonly seen: Seen
  readonly user: string
  /** The host that the agent's own login comes from. */
  readonly from: string
  /** Further hosts that are good to have: where clients come in, the other nodes. */
  readonly others: readonly string[]
  readonly login: Login
  /** Hosts of `others` from which the login works already. */
  readonly welcome: readonly string[]
  readonly grants: readonly Grant[]
  /** An operator wants another password for a user that exists. */
  readonly setPassword: boolean
}

/** What to do, and what is left to the server that takes writes; or why not. */
export type Plan =
  | { readonly kind: 'do'; readonly steps: readonly Step[]; readonly left: readonly Step[] }
  | { readonly kind: 'password-unknown' | 'password-differs' }
  | { readonly kind: 'read-only'; readonly why: string; readonly steps: readonly Step[] }

/** An existing user keeps its password unless that is asked for: others may log in with it. */
export const planOf = (situation: Situation): Plan => {
  const { seen, user, from, others, login, welcome, setPassword } = situation
  const { hosts } = seen
  if (hosts.length > 0 && !setPassword) {
    if (login.kind === 'not-tried') return { kind: 'password-unknown' }
    // Right for one host, and the other one was never made: then it is the password all the same.
    const isRight = welcome.length > 0 && !hosts.some((host) => host === from || host.includes('%'))
    if (login.kind === 'refused' && !isRight) return { kind: 'password-differs' }
  }
  const account = (host: string): Account => ({ user, host })
  const isIn = login.kind === 'in' && !setPassword
  const missing = [...new Set([from, ...others])].filter((host) => !hosts.includes(host))
  const wanted = missing.filter((host) => (host === from ? !isIn : !welcome.includes(host) || setPassword))
  const grantee = login.kind === 'in' && isIn ? login.account : account(from)
  const grants = lacking(situation.grants, login.kind === 'in' ? login.grants : [])
  const steps: readonly Step[] = [
    ...(setPassword ? hosts.map((host) => ({ kind: 'change', account: account(host) }) as const) : []),
    ...wanted.map((host) => ({ kind: 'create', account: account(host) }) as const),
    ...(seen.hasTable === false ? tablesOf(situation.grants) : []),
    ...grants.map((grant) => ({ kind: 'grant', account: grantee, grant }) as const),
  ]
  const why = writeObjection(seen)
  if (why === null) return { kind: 'do', steps, left: [] }
  const isNeeded = (step: Step): boolean => step.kind !== 'create' || step.account.host === from
  return steps.some(isNeeded) ? { kind: 'read-only', why, steps } : { kind: 'do', steps: [], left: steps }
}

const systemSchemas = /^(\*|performance_schema|ndbinfo)\./

/** The heartbeat's: the one table of ours. */
const tablesOf = (grants: readonly Grant[]): readonly Step[] =>
  grants.flatMap(({ on }) => (systemSchemas.test(on) ? [] : [{ kind: 'table', table: on } as const]))
