// A tracked script: runs it at its interval, never twice at once, and counts its results.

import type { Logger } from 'pino'
import type { ScriptConfig } from '../../config/vrrp-track-schema.ts'
import { type RunningScript, runScript } from '../../os/script.ts'
import { counted, countOf, initialCount } from '../core/rise-fall.ts'
import { isSameSight, type Predecessor, type Sight, type Watch } from './source.ts'

/** Starts to run a script, as `user`. Its first run begins when nothing of its predecessor is left. */
export const watchScript = (
  config: ScriptConfig,
  user: string | undefined,
  { sight: before, ended }: Predecessor,
  log: Logger,
  onChange: () => void,
): Watch => {
  const { name, command, interval, timeout = interval } = config
  let count = before.ok === null ? initialCount(config.init_fail) : countOf(before.ok)
  let sight: Sight = before.ok === null && config.init_fail ? { ok: false, text: 'has not succeeded yet' } : before
  let running: RunningScript | null = null
  let lastText: string | null = null
  let isStopped = false
  let timer: NodeJS.Timeout | undefined

  const take = (passed: boolean, text: string): void => {
    if (isStopped) return
    if (text !== lastText) {
      const said = passed ? 'succeeded' : `failed (${text})`
      log[passed ? 'info' : 'warn']({ script: name }, `VRRP_Script(${name}) ${said}`)
      lastText = text
    }
    count = counted(count, passed, config)
    const next = { ok: count.ok, text: count.ok ? '' : passed ? sight.text : text }
    if (isSameSight(next, sight)) return
    sight = next
    onChange()
  }
  const run = async (): Promise<void> => {
    if (isStopped) return
    const startedAt = performance.now()
    running = runScript({ command, user, timeout, environment: {}, keepOutput: false })
    const { ok, text } = await running.result
    take(ok, text)
    await running.ended
    running = null
    if (isStopped) return
    timer = setTimeout(run, Math.max(0, interval - (performance.now() - startedAt)))
  }
  void ended.then(run)
  return {
    sight: () => sight,
    stop: async () => {
      isStopped = true
      clearTimeout(timer)
      running?.kill()
      await running?.ended
    },
  }
}
