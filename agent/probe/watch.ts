// The watch over one server: its prober on its schedule, as one configuration wants it.

import { performance } from 'node:perf_hooks'
import { isDeepStrictEqual } from 'node:util'
import type { AgentConfig } from '../config/load.ts'
import { millis } from '../core/time.ts'
import { createBacklogWatch } from './backlog-watch.ts'
import type { Known, Probe } from './core/facts.ts'
import { createDiskLook } from './disk.ts'
import { createHeartbeat } from './heartbeat.ts'
import { createProber, type Prober } from './prober.ts'
import { startSchedule } from './schedule.ts'
import type { StallWatch } from './stall-watch.ts'

/** Probes in the background and on demand. */
export type Watch = {
  /** What is known, after a probe where the newest finding is older than `max_age`. */
  readonly fresh: () => Promise<Known>
  /** The next probe learns anew what the server lets the check user see. */
  readonly relearn: () => void
  /** Ends after the probe under way. */
  readonly retire: () => Promise<void>
  /** Ends at once. */
  readonly stop: () => void
}

/** Starts to probe. `onProbe` hears of every probe, `onLook` once each interval what is known. */
export const startWatch = (
  { mysql, check }: AgentConfig,
  stalls: StallWatch,
  { onProbe, onLook }: { readonly onProbe: (probe: Probe) => void; readonly onLook: (known: Known) => void },
): Watch => {
  const { query, expect, timeout, disk, heartbeat, login_interval: loginInterval } = check
  const inquiry = {
    query,
    expect,
    disk: disk === null ? null : createDiskLook(disk.path, timeout),
    heartbeat: heartbeat === null ? null : createHeartbeat(heartbeat),
    backlog: createBacklogWatch(),
  }
  const prober =
    mysql.lacking === undefined
      ? createProber({ mysql, inquiry, timeout, loginInterval }, stalls)
      : answersWithout(mysql.lacking)
  const schedule = startSchedule({
    probe: async () => {
      const probe = await prober.probe()
      onProbe(probe)
      return probe
    },
    interval: check.interval,
    maxAge: check.max_age,
    onLook,
  })
  return {
    fresh: schedule.fresh,
    relearn: prober.relearn,
    retire: async () => {
      schedule.stop()
      await schedule.settled()
      prober.close()
    },
    stop: () => {
      schedule.stop()
      prober.close()
    },
  }
}

/** In place of a prober where nobody has said yet who logs in: the server is left alone. */
const answersWithout = (text: string): Prober => ({
  probe: async () => ({
    startedAt: millis(performance.now()),
    took: millis(0),
    outcome: { kind: 'failed', failure: { code: 'not-set-up', text, fatal: true } },
  }),
  relearn: () => undefined,
  close: () => undefined,
})

/** Whether two configurations probe the same server in the same way. */
export const probesAlike = (one: AgentConfig, other: AgentConfig): boolean =>
  isDeepStrictEqual(probing(one), probing(other))

/** How the answer is judged plays no part in the probing. */
const probing = ({ mysql, check }: AgentConfig): unknown => {
  const { mode: _mode, available_when_donor: _donor, max_replication_lag: _lag, queues: _queues, ...others } = check
  const { max_source_absence: _absence, writer_must_replicate: _writer, ...asked } = others
  return { ...mysql, password: mysql.password(), asked }
}
