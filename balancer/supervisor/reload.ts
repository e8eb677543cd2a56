// A reload: the new configuration is checked, given to every process, and taken back from all if one cannot apply it. A
// forwarder that it needs is started before that, and one that it needs no more is ended after it.

import { isDeepStrictEqual } from 'node:util'
import type { Logger } from 'pino'
import { loadConfig } from '../config/load.ts'
import { describeLogChanges } from '../config/log-schema.ts'
import type { BalancerConfig } from '../config/schema.ts'
import { describeSecretChanges } from '../config/secrets.ts'
import { describeListenerChanges } from '../pool/core/listener-changes.ts'
import { applyOrder, neededRoles, type ProcessRole, roleChange } from './core/processes.ts'
import type { ReloadResult } from './messages.ts'

/** Reads the configuration file again and applies it. Reloads asked for meanwhile wait for their turn. */
export type Reloader = {
  readonly reload: () => Promise<ReloadResult>
  /** What runs now, and what a process that starts now is to run with. */
  readonly config: () => BalancerConfig
  /** The text that it was read from. */
  readonly text: () => string
  /** Does something while no reload is under way; those asked for meanwhile wait. */
  readonly alone: (act: () => Promise<ReloadResult>) => Promise<ReloadResult>
  /** Whether a reload, or what is done alone, is under way or waits for its turn. */
  readonly isBusy: () => boolean
  /** A process died: what it had applied died with it. */
  readonly died: (role: ProcessRole) => void
}

export type ReloaderOptions = {
  readonly file: string
  readonly running: BalancerConfig
  readonly text: string
  readonly log: Logger
  /** Gives a configuration to a process; its answer says what changed, or why nothing did. */
  readonly apply: (role: ProcessRole, config: BalancerConfig) => Promise<ReloadResult>
  /** Starts a process with what runs now; one that cannot begin its work is gone when that is answered. */
  readonly begin: (role: ProcessRole) => Promise<ReloadResult>
  readonly end: (role: ProcessRole) => Promise<void>
}

/** Makes a reloader that knows what runs now. */
export const createReloader = (options: ReloaderOptions): Reloader => {
  const { file, running, text: firstText, log, apply, begin, end } = options
  let config = running
  let text = firstText
  let last: Promise<unknown> = Promise.resolve()

  /** Those that died since the reload began. */
  const dead = new Set<ProcessRole>()

  const applyToAll = async (next: BalancerConfig): Promise<ReloadResult> => {
    const before = config
    const lines = [
      ...describeSecretChanges(before.secrets, next.secrets),
      ...describeLogChanges(before.log, next.log),
      ...describeListenerChanges(before.listeners, next.listeners, isDeepStrictEqual),
    ]
    const change = roleChange(neededRoles(before), neededRoles(next))
    const begun: ProcessRole[] = []
    const asked: ProcessRole[] = []
    const goBack = async (why: readonly string[]): Promise<ReloadResult> => {
      config = before
      for (const role of asked) await apply(role, before)
      for (const role of begun) await end(role)
      return { ok: false, lines: [...why, 'The running configuration stays as it was.'] }
    }
    dead.clear()
    // It has nothing to do with what runs now: what is new to it comes with the rest, and is taken back like the rest.
    for (const role of change.begin) {
      const result = await begin(role)
      if (!result.ok) return goBack(result.lines)
      begun.push(role)
    }
    for (const role of [...change.begin, ...applyOrder(change.stay, before, next)]) {
      // All that were asked go back to what ran, the one that failed too: it may only have been late.
      asked.push(role)
      const result = await apply(role, next)
      lines.push(...result.lines)
      if (!result.ok) return goBack(result.lines)
    }
    config = next
    // Who died after it had applied it began anew with what ran before.
    for (const role of asked.filter((one) => dead.has(one))) {
      const result = await apply(role, next)
      if (!result.ok) return goBack(result.lines)
    }
    // Its listeners go as in every reload, their sessions too. Where it cannot do that, its end does.
    for (const role of change.end) {
      await apply(role, next)
      await end(role)
      log.info({ child: role }, `Process ${role} has ended: no listener needs it`)
    }
    return lines.length > 0 ? { ok: true, lines } : nothingChanged
  }

  const reloadNow = async (): Promise<ReloadResult> => {
    const loaded = loadConfig(file)
    if (!loaded.ok) return { ok: false, lines: [...loaded.problems, 'The running configuration stays as it was.'] }
    for (const warning of loaded.warnings) log.warn(warning)
    const isSame = isDeepStrictEqual(loaded.config, config)
    const result = isSame ? nothingChanged : await applyToAll(loaded.config)
    if (result.ok) text = loaded.text
    return result
  }

  let underWay = 0
  /** When all that was asked for before is over. */
  const inTurn = (act: () => Promise<ReloadResult>): Promise<ReloadResult> => {
    underWay += 1
    const result = last.then(act).finally(() => {
      underWay -= 1
    })
    last = result.catch(() => {})
    return result
  }
  const reload = (): Promise<ReloadResult> => {
    const result = inTurn(reloadNow).catch((error: unknown) => {
      log.error({ err: error }, 'The reload failed')
      return { ok: false, lines: [`the reload failed: ${String(error)}`] }
    })
    return result.then((done) => {
      for (const line of done.lines) log[done.ok ? 'info' : 'error']({ reload: true }, line)
      log[done.ok ? 'info' : 'error'](done.ok ? `Reloaded ${file}` : `Reload of ${file} refused`)
      return done
    })
  }
  return {
    reload,
    config: () => config,
    text: () => text,
    alone: inTurn,
    isBusy: () => underWay > 0,
    died: (role) => dead.add(role),
  }
}

const nothingChanged: ReloadResult = { ok: true, lines: ['Nothing changed.'] }
