// The agent's knowledge of its node: probe, schedule, force-fail file and lateness, joined into reports.

import { hostname } from 'node:os'
import { performance } from 'node:perf_hooks'
import type { HealthReport } from '../shared/health-report.ts'
import type { AgentConfig } from './config/load.ts'
import { millis } from './core/time.ts'
import { lookForForceFail } from './force-fail.ts'
import type { Known } from './probe/core/facts.ts'
import { createProber } from './probe/prober.ts'
import { startSchedule } from './probe/schedule.ts'
import { startStallWatch } from './probe/stall-watch.ts'
import { healthReport } from './verdict/core/report.ts'
import { version } from './version.ts'

/** The health of one node. */
export type Health = {
  /** A report from a finding not older than `max_age`, or from the probe under way. */
  readonly report: () => Promise<HealthReport>
  readonly stop: () => void
}

/** A full connection table or a dead listener must not hide behind an old connection. */
const freshLogin = millis(30_000)
const millisPerSecond = 1000

/** Starts to probe. Every report, asked for or made in the background, goes to `onReport` too. */
export const startHealth = (config: AgentConfig, onReport: (report: HealthReport) => void): Health => {
  const { check, mysql, force_fail_file } = config
  const startedAt = performance.now()
  const stalls = startStallWatch()
  const prober = createProber({ mysql, query: check.query, timeout: check.timeout, freshLogin }, stalls)

  const reportOn = async (known: Known): Promise<HealthReport> => {
    const forceFail = await lookForForceFail(force_fail_file)
    const now = performance.now()
    const report = healthReport({
      known,
      forceFail,
      now: millis(now),
      interval: check.interval,
      judging: { mode: check.mode, availableWhenDonor: check.available_when_donor },
      agent: { host: hostname(), version, uptime_s: Math.round((now - startedAt) / millisPerSecond) },
    })
    onReport(report)
    return report
  }

  const schedule = startSchedule({
    probe: prober.probe,
    interval: check.interval,
    maxAge: check.max_age,
    onProbed: (known) => void reportOn(known),
  })
  return {
    report: async () => reportOn(await schedule.fresh()),
    stop: () => {
      schedule.stop()
      prober.close()
      stalls.stop()
    },
  }
}
