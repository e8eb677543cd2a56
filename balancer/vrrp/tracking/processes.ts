// A tracked process: enough of those that match must run.

import type { Logger } from 'pino'
import type { TrackProcessConfig } from '../../config/vrrp-track-schema.ts'
import { openProcessTable } from '../../os/process-table.ts'
import { type Sight, unseen, type Watch } from './source.ts'

/** Known processes are looked at so often; that is a file or two for each. */
const knownInterval = 200
/** The whole table is read at most so often. */
const searchInterval = 500

/** Starts to look for processes. A change counts when it has lasted for the configured delay. */
export const watchProcess = (config: TrackProcessConfig, log: Logger, onChange: () => void): Watch => {
  const { name, process: pattern, quorum, delay } = config
  const table = openProcessTable()
  let sight: Sight = unseen
  let known: readonly number[] = []
  let searchedAt = Number.NEGATIVE_INFINITY
  let changedAt: number | null = null
  let isStopped = false
  let timer: NodeJS.Timeout | undefined

  const take = (count: number): void => {
    const ok = count >= quorum
    if (ok === sight.ok) {
      changedAt = null
      return
    }
    const now = performance.now()
    changedAt ??= now
    // What is found first is what is: there is nothing to delay.
    if (sight.ok !== null && now - changedAt < delay) return
    changedAt = null
    sight = { ok, text: ok ? '' : `${count} of ${quorum} run` }
    const said = ok ? `quorum gained (${count} of ${quorum})` : `quorum lost (${count} of ${quorum})`
    log[ok ? 'info' : 'warn']({ process: name }, `Track_process(${name}) ${said}`)
    onChange()
  }
  const look = async (): Promise<void> => {
    known = await table.stillThere(pattern, known)
    if (known.length < quorum && performance.now() - searchedAt >= searchInterval) {
      searchedAt = performance.now()
      known = await table.find(pattern)
    }
    if (isStopped) return
    take(known.length)
    timer = setTimeout(next, knownInterval).unref()
  }
  let looking: Promise<void> = Promise.resolve()
  const next = (): void => {
    looking = look().catch((error: unknown) => {
      log.error({ err: error, process: name }, `Track_process(${name}) cannot look at the processes of this host`)
      if (!isStopped) timer = setTimeout(next, searchInterval).unref()
    })
  }
  next()
  return {
    sight: () => sight,
    stop: async () => {
      isStopped = true
      clearTimeout(timer)
      await looking
    },
  }
}
