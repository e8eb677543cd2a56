// What adds up over time: how often checks failed, how long servers were down, how fast sessions come. HAProxy shows these
// for each server and listener; here they are counted from the facts that everybody hears.

import * as z from 'zod'
import type { Fact, ListenerFact, ServerHealthFact } from './facts.ts'
import { mostQueuedIn, queuedIn } from './listener-fact.ts'
import { emptySeries, noteSample, type Series } from './series.ts'

/**
 * Of a server: checks and those that failed, how often it went down, and for how long it was down in all, milliseconds.
 * `downSince` is milliseconds since the epoch, null while it is up.
 */
export type ServerAccount = {
  /** Over all forwarders there were; null where none has told a number. */
  readonly totals: Totals
  readonly sessionPeak: Peak
  readonly checks: number
  readonly failedChecks: number
  readonly downs: number
  readonly downMillis: number
  readonly downSince: number | null
  /** When the last check that is counted was made. */
  readonly checkedAt: number | null
  /** Milliseconds that checks took. */
  readonly checkDuration: Series
  readonly traffic: TrafficAccount
}

/** Of a server or a listener: sessions a second between the last two reports and the most there were, and the moment of the last new one. */
export type TrafficAccount = {
  readonly rate: number | null
  readonly maximumRate: number | null
  readonly lastSessionAt: number | null
  readonly total: number | null
  readonly at: number
}

/** Of a listener. */
export type ListenerAccount = {
  readonly totals: Totals
  /** How clients ended, by reason. */
  readonly ends: Tallies
  readonly sessionPeak: Peak
  readonly queuePeak: Peak
  readonly traffic: TrafficAccount
  readonly sessions: Series
  readonly rate: Series
}

/** What is counted by forwarders, each of which begins with nothing. */
const counted = ['totalSessions', 'bytesIn', 'bytesOut', 'connectFailures', 'retries', 'redispatches'] as const
type Counted = (typeof counted)[number]
const tally = z.object({ seen: z.number().nonnegative(), sum: z.number().nonnegative() }).readonly()
/** What the forwarder said last, and the sum over all of them. */
type Tallies = Readonly<Record<string, z.output<typeof tally>>>
export type Totals = Readonly<Partial<Record<Counted, z.output<typeof tally>>>>

const peak = z
  .object({
    told: z.number().nonnegative(),
    cleared: z.number().nonnegative(),
    most: z.number().nonnegative().nullable(),
  })
  .readonly()
/**
 * The most there were at once: `most`, null where nobody knows. Forwarders remember their own highest number, of which the last one is
 * `told`; it is of no use as long as it is the one that was `cleared`, and what each report says of the present is then all there is.
 */
export type Peak = z.output<typeof peak>
const noPeak: Peak = { told: 0, cleared: 0, most: null }

/** What lasts of an account. */
export const savedAccount = z
  .object({
    checks: z.number().nonnegative(),
    failedChecks: z.number().nonnegative(),
    downs: z.number().nonnegative(),
    downMillis: z.number().nonnegative(),
    maximumRate: z.number().nonnegative().nullable(),
    lastSessionAt: z.number().nonnegative().nullable(),
    totals: z.partialRecord(z.enum(counted), tally),
    ends: z.record(z.string(), tally),
    sessionPeak: peak,
    queuePeak: peak,
  })
  .partial()
/** See `savedAccount`. */
export type SavedAccount = z.output<typeof savedAccount>

/** All accounts, by listener and by `listener/server`. */
export type Accounts = {
  readonly server: (key: string) => ServerAccount | undefined
  readonly listener: (name: string) => ListenerAccount | undefined
  /** Hears a fact at a moment, milliseconds since the epoch. */
  readonly hear: (fact: Fact, at: number) => void
  /** What lasts over a restart, by name. `now` closes what is running. */
  readonly saved: (now: number) => ReadonlyMap<string, SavedAccount>
  /** Goes on with what was saved, where nothing was heard yet. */
  readonly restore: (saved: ReadonlyMap<string, SavedAccount>) => void
  /** Begins to count anew: the highest numbers, or with `all` everything (HAProxy: `clear counters [all]`). */
  readonly clear: (all: boolean) => void
  /** Forgets what a reload took away: `keep` has names of listeners and `listener/server`. */
  readonly keep: (wanted: ReadonlySet<string>) => void
}

const noTraffic: TrafficAccount = { rate: null, maximumRate: null, lastSessionAt: null, total: null, at: 0 }
const millisPerSecond = 1000
/** Reports that come closer together are one: a rate over less is a matter of chance. */
const shortestSpan = 500

/** Accounts of nobody yet. */
export const createAccounts = (): Accounts => {
  const servers = new Map<string, ServerAccount>()
  const listeners = new Map<string, ListenerAccount>()
  const serverOf = (key: string): ServerAccount => servers.get(key) ?? emptyAccount()
  const hear = (fact: Fact, at: number): void => {
    if (fact.fact === 'server-health') {
      const key = `${fact.listener}/${fact.server}`
      servers.set(key, checked(serverOf(key), fact, at))
      return
    }
    if (fact.fact !== 'listener') return
    const before = listeners.get(fact.listener) ?? emptyListener()
    listeners.set(fact.listener, heard(before, fact, at))
    for (const traffic of fact.servers) {
      const key = `${fact.listener}/${traffic.server}`
      const account = serverOf(key)
      servers.set(key, {
        ...account,
        traffic: moved(account.traffic, traffic.totalSessions, at),
        totals: added(account.totals, { ...traffic, ...(traffic.detail ?? {}) }),
        sessionPeak: raised(account.sessionPeak, traffic.maximumSessions, traffic.sessions),
      })
    }
  }
  return {
    server: (key) => servers.get(key),
    listener: (name) => listeners.get(name),
    hear,
    saved: (now) =>
      new Map([
        ...[...servers].map(([key, account]) => [key, savedServer(account, now)] as const),
        ...[...listeners].map(([name, account]) => [name, savedListener(account)] as const),
      ]),
    restore: (saved) => {
      for (const [name, account] of saved) {
        const traffic = { ...noTraffic, ...trafficOf(account) }
        if (!name.includes('/')) {
          const { totals = {}, ends = {}, sessionPeak = noPeak, queuePeak = noPeak } = account
          const counts = { totals, ends, sessionPeak, queuePeak }
          if (!listeners.has(name)) listeners.set(name, { ...emptyListener(), ...counts, traffic })
          continue
        }
        const { checks = 0, failedChecks = 0, downs = 0, downMillis = 0, totals = {}, sessionPeak = noPeak } = account
        const counts = { checks, failedChecks, downs, downMillis, totals, sessionPeak }
        if (!servers.has(name)) servers.set(name, { ...emptyAccount(), ...counts, traffic })
      }
    },
    clear: (all) => {
      for (const [key, account] of servers) servers.set(key, clearedServer(account, all))
      for (const [name, account] of listeners) listeners.set(name, clearedListener(account, all))
    },
    keep: (wanted) => {
      for (const known of [servers, listeners])
        for (const name of known.keys()) if (!wanted.has(name)) known.delete(name)
    },
  }
}

const emptyListener = (): ListenerAccount => ({
  traffic: noTraffic,
  totals: {},
  ends: {},
  sessionPeak: noPeak,
  queuePeak: noPeak,
  sessions: emptySeries(),
  rate: emptySeries(),
})

const trafficOf = ({ maximumRate = null, lastSessionAt = null }: SavedAccount) => ({ maximumRate, lastSessionAt })

const savedTraffic = ({ maximumRate, lastSessionAt }: TrafficAccount): SavedAccount => ({ maximumRate, lastSessionAt })

const savedServer = ({ traffic, ...account }: ServerAccount, now: number): SavedAccount => ({
  checks: account.checks,
  failedChecks: account.failedChecks,
  downs: account.downs,
  downMillis: account.downMillis + (account.downSince === null ? 0 : Math.max(0, now - account.downSince)),
  ...savedTraffic(traffic),
  totals: account.totals,
  sessionPeak: account.sessionPeak,
})

const savedListener = ({ traffic, totals, ends, sessionPeak, queuePeak }: ListenerAccount): SavedAccount => ({
  ...savedTraffic(traffic),
  ...{ totals, ends, sessionPeak, queuePeak },
})

/** What forwarders have said is where they go on from. */
const cleared = (
  { traffic, totals, sessionPeak }: Pick<ListenerAccount, 'traffic' | 'totals' | 'sessionPeak'>,
  all: boolean,
) => ({
  traffic: { ...traffic, maximumRate: null },
  totals: all ? zeroed(totals) : totals,
  sessionPeak: lowered(sessionPeak),
})

const clearedListener = (account: ListenerAccount, all: boolean): ListenerAccount => ({
  ...account,
  ...cleared(account, all),
  ends: all ? zeroed(account.ends) : account.ends,
  queuePeak: lowered(account.queuePeak),
})

const zeroed = (tallies: Tallies): Tallies =>
  Object.fromEntries(Object.entries(tallies).map(([name, { seen }]) => [name, { seen, sum: 0 }]))

const lowered = ({ told, most }: Peak): Peak => ({ told, cleared: told, most: most === null ? null : 0 })

/** After a report of the highest there was since the forwarder began, and of how many there are. */
const raised = (before: Peak, told: number | null, present: number | null): Peak => {
  if (told === null) return before
  // One that fell is that of a forwarder that counts anew.
  const since = told < before.told ? 0 : before.cleared
  return { told, cleared: since, most: Math.max(before.most ?? 0, present ?? 0, told > since ? told : 0) }
}

const clearedServer = (account: ServerAccount, all: boolean): ServerAccount => ({
  ...account,
  ...cleared(account, all),
  ...(all ? { checks: 0, failedChecks: 0, downs: 0, downMillis: 0 } : {}),
})

const emptyAccount = (): ServerAccount => ({
  checks: 0,
  failedChecks: 0,
  downs: 0,
  downMillis: 0,
  downSince: null,
  checkedAt: null,
  checkDuration: emptySeries(),
  traffic: noTraffic,
  totals: {},
  sessionPeak: noPeak,
})

const checked = (before: ServerAccount, fact: ServerHealthFact, at: number): ServerAccount => {
  const { lastCheck, up, since, counters } = fact
  const isNew = lastCheck !== null && lastCheck.at !== before.checkedAt
  if (isNew) noteSample(before.checkDuration, lastCheck.durationMs, at)
  // Before its first check nobody knows whether it is down.
  const isDown = !up && !counters.includes(null)
  const wentDown = isDown && before.downSince === null
  const cameUp = !isDown && before.downSince !== null
  return {
    ...before,
    checks: before.checks + (isNew ? 1 : 0),
    failedChecks: before.failedChecks + (isNew && !lastCheck.passed ? 1 : 0),
    checkedAt: isNew ? lastCheck.at : before.checkedAt,
    downs: before.downs + (wentDown ? 1 : 0),
    downSince: isDown ? (before.downSince ?? Math.min(since, at)) : null,
    downMillis: before.downMillis + (cameUp ? Math.max(0, at - (before.downSince ?? at)) : 0),
  }
}

const heard = (before: ListenerAccount, fact: ListenerFact, at: number): ListenerAccount => {
  const traffic = moved(before.traffic, fact.totalSessions, at)
  if (fact.sessions !== null) noteSample(before.sessions, fact.sessions, at)
  if (traffic.rate !== null) noteSample(before.rate, traffic.rate, at)
  return {
    ...before,
    traffic,
    totals: added(before.totals, { totalSessions: fact.totalSessions }),
    ends: added(before.ends, fact.ends, Object.keys(fact.ends)),
    sessionPeak: raised(before.sessionPeak, fact.maximumSessions, fact.sessions),
    queuePeak: raised(before.queuePeak, mostQueuedIn(fact), queuedIn(fact)),
  }
}

/** A number that fell is that of a forwarder that counts anew. */
const added = (
  before: Tallies,
  told: Readonly<Record<string, unknown>>,
  names: readonly string[] = counted,
): Tallies => {
  const after: Record<string, { seen: number; sum: number }> = { ...before }
  for (const name of names) {
    const value = told[name]
    if (typeof value !== 'number') continue
    const { seen, sum } = before[name] ?? { seen: 0, sum: 0 }
    after[name] = { seen: value, sum: sum + (value < seen ? value : value - seen) }
  }
  return after
}

/** A total that fell is that of a forwarder that counts anew. */
const moved = (before: TrafficAccount, total: number | null, at: number): TrafficAccount => {
  if (total === null) return before
  if (before.total === null || total < before.total) return { ...before, total, at }
  const span = at - before.at
  if (span < shortestSpan) return before
  const rate = ((total - before.total) * millisPerSecond) / span
  return {
    rate,
    maximumRate: Math.max(rate, before.maximumRate ?? 0),
    lastSessionAt: total > before.total ? at : before.lastSessionAt,
    total,
    at,
  }
}
