// The kernel datapath: rules of nftables forward, kept in step with addresses, servers' health and the configuration. They go
// on without this process, and the next one takes them over.

import { performance } from 'node:perf_hooks'
import { setTimeout as wait } from 'node:timers/promises'
import type { ListenerConfig } from '../../config/schema.ts'
import { FailedStart } from '../../core/failed-start.ts'
import { addressBytes } from '../../core/ip-address.ts'
import { type AddressWatch, watchAddresses } from '../../os/address-watch.ts'
import type { Outcome } from '../../os/outcome.ts'
import { mergeLists } from '../../pool/core/session-list.ts'
import { mergeEnded } from '../../pool/core/session-order.ts'
import type { SessionRecord } from '../../pool/core/session-record.ts'
import type { HostView } from '../core/host-view.ts'
import type { RunningDatapath, StartDatapath } from '../datapath.ts'
import { watchCounters } from '../rules/counter-watch.ts'
import { findTable } from '../rules/own-table.ts'
import { keepRules } from '../rules/rule-keeper.ts'
import { clearSessions } from './clear-sessions.ts'
import { kernelOwnTable } from './core/kernel-table.ts'
import { idleOf } from './core/listener-of-config.ts'
import { listenerMask, ownMark, ownMask } from './core/marks.ts'
import { createEndings } from './endings.ts'
import { missingForKernel } from './host-check.ts'
import { reportOf } from './listener-report.ts'
import { runListeners } from './listeners.ts'
import { endOrdered } from './ordered-endings.ts'
import { testPath } from './path-test.ts'
import { releaseKernel } from './release.ts'
import { sessionLine } from './session-line.ts'
import { listTracked } from './session-listing.ts'
import { openSessionTracker } from './session-tracker.ts'
import { viewSessions } from './session-view.ts'
import { keepSettings } from './settings-keeper.ts'
import { sweepTimeouts } from './timeouts-sweep.ts'

/**
 * What the kernel datapath needs beside: where virtual addresses will be, here or not, and who is told of each session when it
 * has ended and calls its argument at once, or never.
 */
export type KernelOptions = {
  readonly places: () => HostView['places']
  readonly onSession: (record: () => SessionRecord) => void
}

const everySession = { value: ownMark, mask: ownMask, begunBefore: Number.POSITIVE_INFINITY }
/** Counts are looked at so often, and a failed connect is told so soon. */
const [lookMillis, failureMillis] = [100, 20]
const publishMillis = 500
const weighMillis = 1000
const holdMillis = 5000
/** For resets of the last sessions. */
const longestFarewell = 2000
const anyTimeout = 5000
/** A vrrp process that died and a balancer that was killed with all its processes have the address back in less. */
const [leftMillis, absentMillis] = [2000, 15_000]

/** Adopts the rules that are there, or makes them. */
export const startKernel: StartDatapath<KernelOptions> = async (options): Promise<RunningDatapath> => {
  const { log, publish, places, onSession } = options
  const found = must(await findTable(kernelOwnTable))
  const [missing] = await missingForKernel()
  if (missing !== undefined) throw new FailedStart(missing)

  let configs: readonly ListenerConfig[] = options.listeners
  const settings = keepSettings({ listeners: () => configs, places, log })
  // Before the first session: bytes and times of older ones are not counted.
  settings.hold('listeners')
  const tracker = must(
    await openSessionTracker({
      marks: { value: ownMark, mask: ownMask },
      listenerMask,
      connectTimeout: (mark) => listeners.configOf(mark)?.timeouts.connect ?? anyTimeout,
      onEnded: (session) => {
        const names = listeners.namesOf(session.mark)
        if (names !== undefined) onSession(() => sessionLine(session, names, view))
      },
      log,
    }),
  )
  const view = viewSessions(tracker)
  const listeners = runListeners({
    found,
    view,
    virtualAddresses: () => places().map(({ address }) => address),
    isPathWatched: () => path.isWatching(),
    onEffects: (effects) => {
      void rules.change()
      endings.carryOut(effects)
    },
    onGone: (mark) => {
      timeouts.forget(mark)
      endings.endListener(mark)
    },
    onOtherTimeouts: (mark, idle, before) => timeouts.begin(mark, idle, before),
  })
  const rules = keepRules({
    own: kernelOwnTable,
    there: found?.snapshot ?? null,
    wanted: listeners.table,
    onOthers: () => path.begin(),
    onRepaired: () => {
      path.begin()
      // Policies that were deleted are those of no session any more.
      for (const listener of listeners.all()) {
        const [mark, idle] = [listeners.markOf(listener), idleOf(listener.config())]
        if (mark !== undefined) timeouts.begin(mark, idle, idle)
      }
    },
    log,
  })
  const timeouts = sweepTimeouts(tracker, log)
  const endings = createEndings({ tracker, change: rules.change, onEnded: () => publishAll(), log })
  const path = testPath({ listeners: () => configs, places, onWatching: () => void rules.change(), log })
  const counters = watchCounters({ table: kernelOwnTable, onGone: rules.doubt, onPackets: path.count })

  const trouble = (): string | null => rules.problem() ?? settings.trouble() ?? path.trouble()
  const publishAll = (): void => {
    view.look()
    for (const listener of listeners.all()) {
      const [servers, counts] = [view.servers(), view.listeners()]
      publish(
        reportOf({
          ...{ listener, servers, listeners: counts, refusals: counters.packets() },
          ...{ trouble: trouble(), findings: path.findings() },
        }),
      )
    }
  }
  let failures = tracker.failures()
  const tellFailures = (): void => {
    const now = tracker.failures()
    if (now === failures) return
    failures = now
    publishAll()
  }
  const look = (): void => {
    endLeftBehind()
    view.look()
    const others = listeners.all().filter((listener) => listener.look())
    if (others.length > 0) void rules.change()
  }
  const weigh = (): void => {
    for (const listener of listeners.all()) listener.weigh()
  }
  const hold = (): void => {
    settings.hold('time')
    void counters.look()
    for (const mark of listeners.tidy()) tracker.forget(mark)
  }

  /** Addresses that are not here, and when what came through them is another host's: one that comes back finds its sessions. */
  const absent = new Map<string, number>()
  /** The lease of an address may end when the next process is here already, and before it is master. */
  const begunAt = performance.now()
  const leftAt = (): number => Math.max(performance.now() + leftMillis, begunAt + absentMillis)
  const addressChanged = (address: string, isPresent: boolean): void => {
    settings.hold('time')
    if (isPresent) isAbsentNoMore(address)
    else isAbsent(address)
  }
  /** Between two masters nobody has the address: clients of sessions that end meanwhile are told when somebody has. */
  const isAbsent = (address: string): void => {
    absent.set(address, leftAt())
    tracker.holdResets(Uint8Array.from(addressBytes(address)))
  }
  const isAbsentNoMore = (address: string): void => {
    absent.delete(address)
    tracker.releaseResets(Uint8Array.from(addressBytes(address)))
  }
  const endLeftBehind = (): void => {
    for (const [address, until] of absent) {
      if (performance.now() < until) continue
      isAbsentNoMore(address)
      endThrough(address)
    }
  }
  const endThrough = (address: string): void => {
    const bytes = Uint8Array.from(addressBytes(address))
    for (const listener of listeners.all()) {
      if (!listener.config().bind.some((endpoint) => endpoint.address === address)) continue
      const mark = listeners.markOf(listener)
      if (mark !== undefined) endings.endAddress(mark, bytes)
    }
  }
  const isReachable = (watch: AddressWatch): boolean =>
    listeners.configs().some(({ bind }) => bind.some(({ address }) => watch.has(address)))

  const timers: NodeJS.Timeout[] = []
  let isOver = false
  const end = async (): Promise<void> => {
    isOver = true
    for (const timer of timers) clearInterval(timer)
    watch?.close()
    path.stop()
    timeouts.stop()
    listeners.stop()
    await endings.done()
    await rules.close()
  }
  const reconfigure: RunningDatapath['reconfigure'] = async (next, facts) => {
    const prepared = listeners.prepare(next, facts)
    const brought = await rules.attempt(prepared.table, prepared.commit)
    if (!brought.ok) {
      prepared.cancel()
      throw new FailedStart(brought.text)
    }
    configs = next
    settings.hold('listeners')
    path.begin()
    publishAll()
  }

  let watch: AddressWatch | undefined
  try {
    await reconfigure(options.listeners, options.facts)
    watch = await watchAddresses(addressChanged)
  } catch (error) {
    await end()
    tracker.close()
    throw error
  }
  const addresses = watch
  for (const { bind } of listeners.configs()) {
    for (const { address } of bind) if (!addresses.has(address)) isAbsent(address)
  }
  timers.push(
    setInterval(look, lookMillis),
    setInterval(tellFailures, failureMillis),
    setInterval(publishAll, publishMillis),
    setInterval(weigh, weighMillis),
    setInterval(hold, holdMillis),
  )

  return {
    hear: listeners.hear,
    reconfigure,
    // When it has retired the rules and their sessions are the next program's.
    endSessions: async (order) => (isOver ? mergeEnded([]) : endOrdered(order, listeners, endings)),
    listSessions: async () => (isOver ? mergeLists([]) : listTracked(tracker, listeners)),
    unreachable: async (limit) => {
      const last = performance.now() + limit
      while (isReachable(addresses) && performance.now() < last) await wait(lookMillis)
    },
    handles: () => {
      rules.share()
      return new Map()
    },
    goOn: rules.resume,
    retire: async () => {
      if (isOver) return
      await end()
      tracker.close()
    },
    stop: async () => {
      if (isOver) return
      // Nobody new; what keeps our packets out of connection tracking stays to the end.
      const none = listeners.prepare([], [])
      const brought = await rules.attempt(none.table, none.commit)
      if (!brought.ok) log.error(`The rules could not be taken away at once: ${brought.text}`)
      for (const address of absent.keys()) isAbsentNoMore(address)
      await tracker.endSessions(everySession, 'stopped')
      await Promise.race([tracker.told(), wait(longestFarewell)])
      await end()
      const { removed, failed } = await releaseKernel({
        tables: [kernelOwnTable.name],
        endSessions: clearSessions,
      })
      tracker.close()
      for (const text of removed) log.info(`Removed ${text}`)
      for (const text of failed) log.error(text)
    },
  }
}

const must = <T>(outcome: Outcome<T>): T => {
  if (!outcome.ok) throw new FailedStart(outcome.text)
  return outcome.value
}
