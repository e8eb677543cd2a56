// The event stream of an agent, `GET /watch`: how events are written, and the incremental parser for those who receive them.

import * as z from 'zod'
import { type HealthReport, healthReportSchema, maximumReportBytes } from './health-report.ts'

/** The path of the stream, and what the header `Mysqlchk-Watch` of an ordinary answer says where there is one. */
export const watchPath = '/watch'

/** Shortest and longest time between two heartbeats, in milliseconds. */
export const heartbeatBounds = { shortest: 100, longest: 10_000 } as const

/**
 * Why an agent ends a stream: it stops or is upgraded; its port moves; a reload closed the access lists to this client; its
 * connections are used up, and a check needs one.
 */
export const goodbyeReasons = ['stopping', 'moved', 'not-allowed', 'too-many-connections'] as const
export type GoodbyeReason = (typeof goodbyeReasons)[number]

/** What a stream says. `status` is what the HTTP status of an ordinary answer would be. */
export type StreamEvent =
  | { readonly event: 'report'; readonly status: 200 | 404 | 503; readonly report: HealthReport }
  | { readonly event: 'heartbeat' }
  | { readonly event: 'goodbye'; readonly reason: GoodbyeReason | 'unknown' }

/** Why a stream is not worth listening to any longer. */
export type StreamFault = 'line-too-long' | 'event-too-long' | 'flood' | 'not-json' | 'wrong-shape'

const heartbeatText = 'event: heartbeat\n\n'
const heartbeats: readonly StreamEvent[] = [{ event: 'heartbeat' }]

/** An event as it goes over the wire. */
export const eventText = (event: StreamEvent): string => {
  switch (event.event) {
    case 'report':
      return `event: report\ndata: ${JSON.stringify({ status: event.status, report: event.report })}\n\n`
    case 'heartbeat':
      return heartbeatText
    case 'goodbye':
      return `event: goodbye\ndata: ${JSON.stringify({ reason: event.reason })}\n\n`
    default:
      return event satisfies never
  }
}

/** A stream in the middle: the unfinished line and event, and what it may still send. Begin with `streamStart`. */
export type StreamState = {
  readonly line: string
  readonly name: string
  readonly data: string
  readonly budget: number
  readonly at: number
}

/** What the new text made of it. After a fault nothing more is to be read. */
export type StreamStep = {
  readonly state: StreamState
  readonly events: readonly StreamEvent[]
  readonly fault: StreamFault | null
}

/** The frame around a report, and the name of its field. */
const frameBytes = 128
const longestLine = maximumReportBytes + frameBytes
/**
 * What lines may cost: one and their length, and a report what it sets in motion, so that neither many nor long ones keep the
 * receiver busy. Who did not read for a minute finds a minute of heartbeats waiting.
 */
const budget = { most: 4000, perSecond: 400, bytesPerUnit: 256, perReport: 40 } as const
const millisPerSecond = 1000

/** A stream of which nothing is read yet; `now` is a moment of the monotonic clock. */
export const streamStart = (now: number): StreamState => ({
  line: '',
  name: '',
  data: '',
  budget: budget.most,
  at: now,
})

/** Reads what came. Comments, unknown fields and unknown events are passed over, as the format wants it. */
export const readStream = (before: StreamState, text: string, now: number): StreamStep => {
  const earned = ((now - before.at) / millisPerSecond) * budget.perSecond
  let left = Math.min(budget.most, before.budget + earned)
  // Nearly all that ever comes, a thousand times a second.
  if (text === heartbeatText && left > 2 && before.line === '' && before.name === '' && before.data === '') {
    return { state: { ...before, budget: left - 2, at: now }, events: heartbeats, fault: null }
  }
  let { line, name, data } = before
  const events: StreamEvent[] = []
  const step = (fault: StreamFault | null): StreamStep => ({
    state: { line, name, data, budget: left, at: now },
    events,
    fault,
  })
  let from = 0
  // Only new text is searched: a line that comes byte by byte must not be read from its beginning each time.
  for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', from)) {
    const whole = (line + text.slice(from, end)).replace(/\r$/, '')
    from = end + 1
    line = ''
    if (whole.length > longestLine) return step('line-too-long')
    left -= 1 + whole.length / budget.bytesPerUnit
    if (left < 0) return step('flood')
    if (whole !== '') {
      const [, field, value = ''] = /^([^:]*):? ?(.*)$/s.exec(whole) ?? []
      if (field === 'event') name = value
      else if (field === 'data') data = data === '' ? value : `${data}\n${value}`
      if (data.length > longestLine) return step('event-too-long')
      continue
    }
    const read = eventOf(name, data)
    name = ''
    data = ''
    if (typeof read === 'string') return step(read)
    if (read?.event === 'report') left -= budget.perReport
    if (read !== null) events.push(read)
  }
  line += text.slice(from)
  return step(line.length > longestLine ? 'line-too-long' : null)
}

const newsSchema = z.object({
  status: z.union([z.literal(200), z.literal(404), z.literal(503)]),
  report: healthReportSchema,
})
const goodbyeSchema = z.object({ reason: z.string() })

/** Null for what is none of ours. */
const eventOf = (name: string, data: string): StreamEvent | StreamFault | null => {
  switch (name) {
    case 'heartbeat':
      return { event: 'heartbeat' }
    case 'report': {
      const parsed = valueIn(data, newsSchema)
      return typeof parsed === 'string' ? parsed : { event: 'report', ...parsed }
    }
    case 'goodbye': {
      const parsed = valueIn(data, goodbyeSchema)
      if (typeof parsed === 'string') return parsed
      return { event: 'goodbye', reason: goodbyeReasons.find((known) => known === parsed.reason) ?? 'unknown' }
    }
    default:
      return null
  }
}

const valueIn = <T>(text: string, schema: z.ZodType<T>): T | 'not-json' | 'wrong-shape' => {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return 'not-json'
  }
  const { success, data } = schema.safeParse(value)
  return success ? data : 'wrong-shape'
}
