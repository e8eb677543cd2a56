// A tracked script: runs it at its interval, never twice at once, and counts its results.

import type { Logger } from 'pino'
import type { ScriptConfig } from '../../config/vrrp-track-schema.ts'
import { type RunningScript, runScript } from '../../os/script.ts'
import { counted, initialCount } from '../core/rise-fall.ts'
import { type Sight, unseen, type Watch } from './source.ts'

/** Starts to run a script, as `user`. Its first run begins at once, but not within this call. */
export const watchScript = (
  config: ScriptConfig,
  user: string | undefined,
  log: Logger,
  onChange: () => void,
): Watch => {
  const { name, command, interval, timeout = interval } = config
  let count = initialCount(config.init_fail)
  let sight: Sight = config.init_fail ? { ok: false, text: 'has not succeeded yet' } : unseen
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
    const before = count.ok
    count = counted(count, passed, config)
    if (count.ok === before) return
    sight = { ok: count.ok, text: count.ok ? '' : text }
    onChange()
  }
  const run = async (): Promise<void> => {
    const startedAt = performance.now()
    running = runScript({ command, user, timeout, environment: {}, keepOutput: false })
    const { ok, text } = await running.result
    take(ok, text)
    await running.ended
    running = null
    if (isStopped) return
    timer = setTimeout(run, Math.max(0, interval - (performance.now() - startedAt)))
  }
  timer = setTimeout(run, 0)
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
