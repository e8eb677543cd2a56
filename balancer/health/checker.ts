// Runs the checks of all servers on time and turns their results into facts about each server's health.

import { performance } from 'node:perf_hooks'
import type { Logger } from 'pino'
import type { ListenerConfig, ServerConfig } from '../config/schema.ts'
import { type Millis, millis } from '../core/time.ts'
import type { ServerHealthFact } from '../pool/core/facts.ts'
import { afterCheck, type HealthCounter, isUp } from './core/rise-fall.ts'
import { nextCheckAt, secondCheckAt } from './core/schedule.ts'
import { type CheckResult, createHttpCheck } from './http-check.ts'

/** The running checks. */
export type Checker = { readonly stop: () => Promise<void> }

/** What starts the checks: each result becomes a fact. `inherited` are facts that a director before this one published. */
export type CheckerOptions = {
  readonly listeners: readonly ListenerConfig[]
  readonly inherited: (listener: string, server: string) => ServerHealthFact | undefined
  readonly log: Logger
  readonly publish: (fact: ServerHealthFact) => void
}

/** Starts checking every server of every listener; the first checks are made at once. */
export const startChecker = ({ listeners, inherited, log, publish }: CheckerOptions): Checker => {
  const started = millis(performance.now())
  const targets = listeners.flatMap((listener) => listener.servers.map((server) => ({ listener, server })))
  const checks = targets.map(({ listener, server }, index) =>
    startServerCheck({
      listener,
      server,
      log,
      publish,
      inherited: inherited(listener.name, server.name),
      secondAt: secondCheckAt(started, listener.check.interval, index, targets.length),
    }),
  )
  return { stop: async () => void (await Promise.all(checks.map((check) => check.stop()))) }
}

type ServerCheckOptions = {
  readonly listener: ListenerConfig
  readonly server: ServerConfig
  readonly secondAt: Millis
  readonly inherited: ServerHealthFact | undefined
  readonly log: Logger
  readonly publish: (fact: ServerHealthFact) => void
}

const startServerCheck = ({ listener, server, secondAt, inherited, log, publish }: ServerCheckOptions): Checker => {
  const { check } = listener
  const http = createHttpCheck(server.address.address, check)
  let counter: HealthCounter = inherited?.health.value ?? null
  let since = inherited?.since ?? Date.now()
  const malformedReports: Record<string, number> = { ...inherited?.malformedReports }
  let due = secondAt
  let timer: NodeJS.Timeout | undefined
  let stopped = false

  const record = (result: CheckResult): void => {
    const before = counter
    counter = afterCheck(counter, check, result)
    const up = isUp(counter, check)
    if (before === null || up !== isUp(before, check)) since = Date.now()
    if (result.malformedReport !== null) {
      const { malformedReport } = result
      const count = (malformedReports[malformedReport] ?? 0) + 1
      malformedReports[malformedReport] = count
      // Powers of two bound the rate of the log, however often a broken agent answers.
      if (Number.isInteger(Math.log2(count))) {
        log.warn({ listener: listener.name, server: server.name, malformedReport, count }, 'Malformed health report')
      }
    }
    const { passed, status, httpStatus, durationMs, reason, text } = result
    publish({
      fact: 'server-health',
      listener: listener.name,
      server: server.name,
      up,
      since,
      health: { value: counter, rise: check.rise, fall: check.fall },
      lastCheck: { at: Date.now(), passed, status, httpStatus, durationMs, reason, text },
      malformedReports: { ...malformedReports },
    })
  }

  const runOnce = async (): Promise<void> => {
    const result = await http.run()
    if (stopped) return
    record(result)
    const now = millis(performance.now())
    if (due <= now) due = nextCheckAt(due, now, check.interval)
    timer = setTimeout(runOnce, due - now)
  }
  void runOnce()

  return {
    stop: async () => {
      stopped = true
      clearTimeout(timer)
      await http.close()
    },
  }
}
