// Pages that are open: once a second they are sent what has changed, all of them the same.

import type { ServerResponse } from 'node:http'
import { performance } from 'node:perf_hooks'
import type { Logger } from 'pino'
import { icon } from './core/page/icon.ts'
import { titleOf } from './core/page/page.ts'
import { outlineOf, type Part, partsOf, type Scene } from './core/page/parts.ts'
import { verdictOf } from './core/page/verdict.ts'
import { inSlices } from './in-slices.ts'
import { createStreams, type Reader } from './streams.ts'

/** The streams of pages that are open. */
export type Live = {
  /** Begins one; false where there are too many. */
  readonly open: (response: ServerResponse) => boolean
  readonly endAll: () => void
}

const shortest = 1000
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

  const look = async (): Promise<void> => {
    const shown = scene()
    const next = new Map<string, string>()
    const changed: Part[] = []
    await inSlices(partsOf(shown), (part) => {
      const [key, text] = part
      next.set(key, text)
      if (parts.get(key) !== text) changed.push(part)
    })
    const { status } = shown
    const head = { at: status.generated_at, title: titleOf(status), icon: icon(verdictOf(status).mood) }
    const isOther = outline !== outlineOf(status)
    outline = outlineOf(status)
    parts = next
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
    const begun = performance.now()
    await look()
    if (streams.readers().size === 0) {
      isLooking = false
      parts = new Map()
      return
    }
    const took = performance.now() - begun
    setTimeout(begin, Math.max(shortest, took * share) - took).unref()
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
    endAll: streams.endAll,
  }
}

const eventOf = (data: unknown): string => `event: page\ndata: ${JSON.stringify(data)}\n\n`
