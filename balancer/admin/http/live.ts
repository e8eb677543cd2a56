// Pages that are open: once a second they are sent what has changed, all of them the same.

import type { ServerResponse } from 'node:http'
import { performance } from 'node:perf_hooks'
import type { Logger } from 'pino'
import { icon } from '../core/views/page/icon.ts'
import { titleOf } from '../core/views/page/page.ts'
import { outlineOf, type Part, partsOf, type Scene } from '../core/views/page/parts.ts'
import { verdictOf } from '../core/views/page/verdict.ts'
import { inSlices } from './in-slices.ts'
import { createStreams, type Reader } from './streams.ts'

/** The streams of pages that are open. */
export type Live = {
  /** Begins one; false where there are too many. */
  readonly open: (response: ServerResponse) => boolean
  /** Something has just happened: it is not left to wait for its second. */
  readonly hurry: () => void
  readonly endAll: () => void
}

const usual = 1000
/** However much happens: milliseconds from one look to the next. */
const shortest = 250
/** All pages together have at most this part of the time. */
const share = 10

/** No page is open yet. Nothing is rendered while that is so. */
export const createLive = (scene: () => Scene, log: Logger, refused: (reason: string) => void): Live => {
  const streams = createStreams(refused)
  /** Those who need all parts: they have just come, or were behind when something was sent. */
  let fresh = new Set<Reader>()
  let parts: ReadonlyMap<string, string> = new Map()
  let outline = ''
  let isLooking = false
  let begunAt = 0
  /** How long the next look has to wait after the last one, at least. */
  let rest = shortest
  let next: NodeJS.Timeout | undefined

  const lookIn = (milliseconds: number): void => {
    clearTimeout(next)
    next = setTimeout(begin, Math.max(0, begunAt + milliseconds - performance.now())).unref()
  }
  const look = async (): Promise<void> => {
    const shown = scene()
    const now = new Map<string, string>()
    const changed: Part[] = []
    await inSlices(partsOf(shown), (part) => {
      const [key, text] = part
      now.set(key, text)
      if (parts.get(key) !== text) changed.push(part)
    })
    const { status } = shown
    const head = { at: status.generated_at, title: titleOf(status), icon: icon(verdictOf(status).mood) }
    const isOther = outline !== outlineOf(status)
    outline = outlineOf(status)
    parts = now
    const patch = eventOf({ ...head, parts: changed })
    let all: string | undefined
    const wait = new Set<Reader>()
    for (const reader of streams.readers()) {
      if (reader.isBehind()) wait.add(reader)
      else if (isOther || fresh.has(reader)) {
        all ??= eventOf({ ...head, outline, parts: [...parts] })
        reader.send(all)
      } else reader.send(patch)
    }
    fresh = wait
  }
  const lookAgain = async (): Promise<void> => {
    begunAt = performance.now()
    next = undefined
    await look()
    rest = Math.max(shortest, (performance.now() - begunAt) * share)
    if (streams.readers().size > 0) return lookIn(Math.max(usual, rest))
    isLooking = false
    parts = new Map()
  }
  const begin = (): void => {
    lookAgain().catch((error: unknown) => {
      log.error({ err: error }, 'The live status page failed')
      isLooking = false
      streams.endAll()
    })
  }
  return {
    open: (response) => {
      const reader = streams.open(response)
      if (reader === undefined) return false
      fresh.add(reader)
      if (!isLooking) {
        isLooking = true
        begin()
      }
      return true
    },
    hurry: () => {
      if (next !== undefined) lookIn(rest)
    },
    endAll: streams.endAll,
  }
}

const eventOf = (data: unknown): string => `event: page\ndata: ${JSON.stringify(data)}\n\n`
