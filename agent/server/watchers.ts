// The event streams that are open: each hears the report at once, then at each change, and heartbeats between.

import type { ServerResponse } from 'node:http'
import { performance } from 'node:perf_hooks'
import type { HealthReport } from '../../shared/health-report.ts'
import { eventText, type GoodbyeReason, type StreamEvent } from '../../shared/health-stream.ts'
import { millis } from '../core/time.ts'
import type { IncidentLog } from '../log.ts'
import type { Question } from '../verdict/core/question.ts'
import { type Rate, takeTurn } from './core/rate-limit.ts'
import type { WatchAsked } from './core/request.ts'
import { statusOf, watchAnswer } from './core/response.ts'

/** Where reports come from: one that is fresh, one at once, and the word that they may have changed. */
export type NewsSources = {
  readonly report: (question?: Question) => Promise<HealthReport>
  readonly present: (question: Question) => HealthReport
  readonly subscribe: (hear: () => void) => () => void
}

/** A client that watches. `makesRoom` is told how to send it away when its place is needed. */
export type Watcher = {
  readonly response: ServerResponse
  readonly source: string
  readonly asked: WatchAsked
  readonly makesRoom: (leave: () => void) => void
}

/** All open streams of one listener. */
export type Watchers = {
  /** Begins a stream; it ends with its connection. */
  readonly open: (watcher: Watcher) => Promise<void>
  /** Ends those of sources that are not allowed any longer. */
  readonly keep: (isAllowed: (source: string) => boolean) => void
  readonly end: (reason: GoodbyeReason) => void
}

/** Where the news come from, and who hears of the streams. */
export type News = {
  readonly sources: NewsSources
  readonly onEvent: (event: StreamEvent['event']) => void
  /** One more watcher, or one less. */
  readonly onCount: (change: 1 | -1) => void
  /** How many changes go over one stream; four a second unless given. */
  readonly rate?: Rate
}

/** Changes of a server that comes and goes: so many a second, so many at once. The newest one always arrives. */
const newsRate = { per_source: 4, burst: 4 } as const
/** Bytes and connections of servers that answer clients themselves go on all the time: they are told so often, in milliseconds. */
const countsInterval = 5000
/** What a client has not read. */
const mostUnread = 65_536

/** No stream is open yet. */
export const createWatchers = (
  { sources, onEvent, onCount, rate = newsRate }: News,
  incident: IncidentLog,
): Watchers => {
  const open = new Map<ServerResponse, { readonly source: string; readonly say: (event: StreamEvent) => void }>()

  const bidGoodbye = (response: ServerResponse, reason: GoodbyeReason): void => {
    open.get(response)?.say({ event: 'goodbye', reason })
    response.end()
  }

  return {
    open: async ({ response, source, asked, makesRoom }) => {
      const { heartbeat, check } = asked
      const say = (event: StreamEvent): void => {
        if (response.destroyed || response.writableEnded) return
        onEvent(event.event)
        response.write(eventText(event))
        if (response.writableLength <= mostUnread) return
        incident('slow-watcher', { source })
        response.destroy()
      }
      let told = ''
      let counted = { at: millis(performance.now()), text: '' }
      let usedUntil = millis(0)
      let pending: NodeJS.Timeout | undefined
      const tell = (): void => {
        pending = undefined
        const report = sources.present(check.question)
        const news = essenceOf(report)
        const counts = countsOf(report)
        const now = millis(performance.now())
        const isDue = counts !== counted.text && now - counted.at >= countsInterval
        if (news === told && !isDue) return
        told = news
        counted = { at: now, text: counts }
        say({ event: 'report', status: statusOf(report, check.maintenance404), report })
      }
      const hear = (): void => {
        if (pending !== undefined || essenceOf(sources.present(check.question)) === told) return
        const { delay, until } = takeTurn(usedUntil, millis(performance.now()), rate)
        usedUntil = until
        if (delay === 0) tell()
        else pending = setTimeout(tell, delay)
      }

      const { status, headers } = watchAnswer
      response.writeHead(status, { ...headers, Connection: 'close' }).flushHeaders()
      open.set(response, { source, say })
      makesRoom(() => bidGoodbye(response, 'too-many-connections'))
      onCount(1)
      let end = (): void => {}
      response.once('close', () => {
        end()
        clearTimeout(pending)
        open.delete(response)
        onCount(-1)
      })
      // The first word may have to wait for a probe, and a client that hears nothing takes us for dead.
      const pulse = setInterval(() => {
        say({ event: 'heartbeat' })
        // What only counts on is told from time to time.
        if (told !== '' && performance.now() - counted.at >= countsInterval) tell()
      }, heartbeat)
      const unsubscribe = sources.subscribe(hear)
      end = () => {
        clearInterval(pulse)
        unsubscribe()
      }
      await sources.report(check.question)
      if (!response.destroyed) hear()
    },
    keep: (isAllowed) => {
      for (const [response, { source }] of open) if (!isAllowed(source)) bidGoodbye(response, 'not-allowed')
    },
    end: (reason) => {
      for (const response of open.keys()) bidGoodbye(response, reason)
    },
  }
}

/** What is told when there is time for it. */
const countsOf = ({ direct_return }: HealthReport): string =>
  JSON.stringify(direct_return?.map(({ bytes_out, connections }) => [bytes_out, connections]) ?? null)

/** What has to be told when it changes. Times and counts go on by themselves; an operator's words are told as they stand. */
const essenceOf = ({ verdict, reason, mode, role, writable, warnings, direct_return }: HealthReport): string => {
  const steady = (text: string): string => text.replace(/\d+/g, '')
  const text = reason.code === 'force-fail' ? reason.text : steady(reason.text)
  const prepared = direct_return?.map(({ address, port, ready, missing }) => [
    address,
    port,
    ready,
    missing.map(steady),
  ])
  return JSON.stringify([verdict, reason.code, text, mode, role, writable, warnings.map(steady), prepared])
}
