// The agent's knowledge of its node: probe, schedule, force-fail file and lateness, joined into reports.

import { hostname } from 'node:os'
import { performance } from 'node:perf_hooks'
import type { HealthReport } from '../shared/health-report.ts'
import type { AgentConfig } from './config/load.ts'
import { type Millis, millis } from './core/time.ts'
import { createDirectReturnLook } from './direct-return/report.ts'
import { lookForForceFails } from './force-fail.ts'
import { watchForceFails } from './force-fail-watch.ts'
import type { Known, Probe } from './probe/core/facts.ts'
import { startStallWatch } from './probe/stall-watch.ts'
import { probesAlike, startWatch } from './probe/watch.ts'
import { configuredCheck, type Question } from './verdict/core/question.ts'
import { healthReport } from './verdict/core/report.ts'
import { version } from './version.ts'

/** The health of one node. */
export type Health = {
  /** A report from a finding not older than `max_age`, or from the probe under way. */
  readonly report: (question?: Question) => Promise<HealthReport>
  /** What is known now, without a probe. */
  readonly present: (question: Question) => HealthReport
  /** Hears that reports may have changed; the force-fail files are watched as long as somebody does. Returns how to end it. */
  readonly subscribe: (hear: () => void) => () => void
  /** Goes over to another configuration; probes and their connection go on where nothing of theirs changed. */
  readonly apply: (config: AgentConfig) => Promise<void>
  /** Time that our own event loop lost since the start. */
  readonly lost: () => Millis
  /** How long ago the newest probe ended, or the agent started. */
  readonly sinceProbe: () => Millis
  readonly stop: () => void
}

/** Who is told: each report on the configured check, asked for or made in the background, and each probe. */
export type HealthListeners = {
  readonly onReport: (report: HealthReport) => void
  readonly onProbe: (probe: Probe) => void
}

const millisPerSecond = 1000

/** Starts to probe. */
export const startHealth = (initial: AgentConfig, { onReport, onProbe }: HealthListeners): Health => {
  const startedAt = performance.now()
  const node = hostname()
  const stalls = startStallWatch()
  const lookAtDirectReturn = createDirectReturnLook()

  const reportOn = (known: Known, question: Question): HealthReport => {
    const { check, force_fail_file, lasting_force_fail_file } = config
    const forceFail = lookForForceFails([force_fail_file, lasting_force_fail_file])
    const now = performance.now()
    const report = healthReport({
      known,
      forceFail,
      now: millis(now),
      interval: check.interval,
      judging: {
        mode: check.mode,
        availableWhenDonor: check.available_when_donor,
        maximumLag: check.max_replication_lag,
        maximumAbsence: check.max_source_absence,
        writerMustReplicate: check.writer_must_replicate,
        reserves: check,
      },
      question,
      agent: { host: node, version, uptime_s: Math.round((now - startedAt) / millisPerSecond) },
      directReturn: lookAtDirectReturn(config.direct_return),
    })
    if (question.about === 'configured') onReport(report)
    return report
  }

  let probedAt = startedAt
  const noteProbe = (probe: Probe): void => {
    probedAt = performance.now()
    onProbe(probe)
  }
  const onLook = (known: Known): void => void reportOn(known, configuredCheck)
  const hearers = new Set<() => void>()
  const tell = (): void => {
    for (const hear of [...hearers]) hear()
  }
  let stopForceFails: (() => void) | null = null
  const followForceFails = (): void => {
    stopForceFails?.()
    const { force_fail_file, lasting_force_fail_file } = config
    stopForceFails = hearers.size === 0 ? null : watchForceFails([force_fail_file, lasting_force_fail_file], tell)
  }
  const watchFor = (one: AgentConfig) => startWatch(one, stalls, { onProbe: noteProbe, onLook, onKnown: tell })
  let config = initial
  let watch = watchFor(config)
  return {
    report: async (question = configuredCheck) => reportOn(await watch.fresh(), question),
    present: (question) => reportOn(watch.known(), question),
    subscribe: (hear) => {
      hearers.add(hear)
      if (hearers.size === 1) followForceFails()
      return () => {
        hearers.delete(hear)
        if (hearers.size === 0) followForceFails()
      }
    },
    apply: async (next) => {
      if (probesAlike(config, next)) watch.relearn()
      else {
        // The old watch answers until the new one has something to say.
        const successor = watchFor(next)
        await successor.fresh()
        void watch.retire()
        watch = successor
      }
      config = next
      followForceFails()
      tell()
      watch.hurry()
    },
    lost: stalls.lost,
    sinceProbe: () => millis(performance.now() - probedAt),
    stop: () => {
      stopForceFails?.()
      watch.stop()
      stalls.stop()
    },
  }
}
