// A tracked process: enough of those that match must run.

import type { Logger } from 'pino'
import type { TrackProcessConfig } from '../../config/vrrp-track-schema.ts'
import type { ProcessTable } from '../../os/process-table.ts'
import { isSameSight, type Predecessor, type Watch } from './source.ts'

/** Known processes are looked at so often; that is a file or two for each. */
const knownInterval = 200
/** The whole table is read at most so often, and at most a fifth of the time: a host may have very many processes. */
const searchInterval = 500
const restAfterSearch = 4

/** Starts to look for processes. A change counts when it has lasted for the configured delay. */
export const watchProcess = (
  config: TrackProcessConfig,
  table: ProcessTable,
  { sight: before }: Pick<Predecessor, 'sight'>,
  log: Logger,
  onChange: () => void,
): Watch => {
  const { name, process: pattern, quorum, delay } = config
  let sight = before
  let known: readonly number[] = []
  let searchAt = Number.NEGATIVE_INFINITY
  let changedAt: number | null = null
  let isStopped = false
  let timer: NodeJS.Timeout | undefined

  const take = (count: number): void => {
    const ok = count >= quorum
    const next = { ok, text: ok ? '' : `${count} of ${quorum} run` }
    if (ok === sight.ok) {
      changedAt = null
      if (isSameSight(next, sight)) return
      sight = next
      onChange()
      return
    }
    const now = performance.now()
    changedAt ??= now
    // What is found first is what is: there is nothing to delay.
    if (sight.ok !== null && now - changedAt < delay) return
    changedAt = null
    sight = next
    const said = ok ? `quorum gained (${count} of ${quorum})` : `quorum lost (${count} of ${quorum})`
    log[ok ? 'info' : 'warn']({ process: name }, `Track_process(${name}) ${said}`)
    onChange()
  }
  const look = async (): Promise<void> => {
    known = await table.stillThere(pattern, known)
    const startedAt = performance.now()
    if (known.length < quorum && startedAt >= searchAt) {
      known = await table.find(pattern)
      const endedAt = performance.now()
      searchAt = Math.max(startedAt + searchInterval, endedAt + restAfterSearch * (endedAt - startedAt))
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
