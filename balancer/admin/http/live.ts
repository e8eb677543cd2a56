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
  /** Begins one, of a page that was rendered at `since` (ISO 8601; null: it is not known); false where there are too many. */
  readonly open: (response: ServerResponse, since: string | null) => boolean
  /** A page with this is on its way: what has not changed since is not sent again. */
  readonly rendered: (scene: Scene) => void
  /** Something has just happened: it is not left to wait for its second. */
  readonly hurry: () => void
  readonly endAll: () => void
}

const usual = 1000
/** However much happens: milliseconds from one look to the next. */
const shortest = 250
/** All pages together have at most this part of the time. */
const share = 10
/** Of so many pages it is known what they were rendered from: they open their stream at once. */
const mostRendered = 4

/** What is said of a look, beside what has changed. With an `outline` a page that has another one is loaded anew. */
type Look = { readonly at: string; readonly title: string; readonly icon: string; readonly outline?: string }

/** No page is open yet. Nothing is rendered while that is so. */
export const createLive = (scene: () => Scene, log: Logger, refused: (reason: string) => void): Live => {
  const streams = createStreams(refused)
  /** Those who need more than what has just changed: they have just come, or were behind when something was sent. And what they have. */
  let fresh = new Map<Reader, string | null>()
  const pages = new Map<string, Scene>()
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
  /** By the moment of a page that somebody has just come with: the event of what has changed since. */
  const changesSince = async (head: Look, now: ReadonlyMap<string, string>): Promise<ReadonlyMap<string, string>> => {
    const events = new Map<string, string>()
    for (const since of new Set(fresh.values())) {
      const page = since === null ? undefined : pages.get(since)
      if (since === null || page === undefined) continue
      const changed = new Map(now)
      await inSlices(partsOf(page), ([key, text]) => {
        if (now.get(key) === text) changed.delete(key)
      })
      events.set(since, eventOf({ ...head, parts: [...changed] }))
    }
    return events
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
    const sinceThen = await changesSince({ ...head, outline }, now)
    let all: string | undefined
    const wait = new Map<Reader, string | null>()
    for (const reader of streams.readers()) {
      const since = fresh.get(reader)
      if (reader.isBehind()) wait.set(reader, since ?? null)
      else if (isOther || since !== undefined) {
        all ??= eventOf({ ...head, outline, parts: [...parts] })
        reader.send(sinceThen.get(since ?? '') ?? all)
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
    open: (response, since) => {
      const reader = streams.open(response)
      if (reader === undefined) return false
      fresh.set(reader, since)
      if (!isLooking) {
        isLooking = true
        begin()
      }
      return true
    },
    hurry: () => {
      if (next !== undefined) lookIn(rest)
    },
    rendered: (shown) => {
      pages.set(shown.status.generated_at, shown)
      for (const old of [...pages.keys()].slice(0, -mostRendered)) pages.delete(old)
    },
    endAll: streams.endAll,
  }
}

/** With an id, by which a browser that comes back by itself says that its page is not as it was loaded any more. */
const eventOf = (data: Look & { readonly parts: readonly Part[] }): string =>
  `id: ${data.at}\nevent: page\ndata: ${JSON.stringify(data)}\n\n`
