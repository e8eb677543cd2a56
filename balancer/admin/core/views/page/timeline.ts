// The events of the last day: who moved, what went down, and why.

import type { Event, Events } from '../../../../pool/core/events.ts'
import { type Html, html } from '../html.ts'
import type { Age } from './age.ts'

const day = 86_400_000
/** Older ones are counted; `balancer show events` has them. */
const mostShown = 100
const width = 960
const height = 26
/** The marks move only so often, milliseconds: what has not changed is not sent again. */
const step = 300_000
const hoursApart = 3
const hour = 3_600_000

/** What the timeline is drawn from. `iso` writes a moment as ISO 8601. */
export type Timeline = { readonly events: Events; readonly now: number; readonly iso: (moment: number) => string }

/** The events of the day before now, newest first. */
const eventsOfDay = ({ events, now }: Timeline): Events =>
  events.filter(({ at }) => at > now - day && at <= now).toReversed()

const levelWords: Readonly<Record<Event['level'], string>> = { info: 'note', warn: 'warning', error: 'error' }
const levelSigns: Readonly<Record<Event['level'], string>> = { info: '\u2022', warn: '\u25b2', error: '\u25a0' }

/** A strip of 24 hours with a mark for each event, and the events as a list. */
export const timelineMarkup = (timeline: Timeline, age: Age): Html => {
  const events = eventsOfDay(timeline)
  if (events.length === 0) return html`<p>Nothing has changed in the last 24 hours.</p>`
  const { iso, now } = timeline
  const rest = events.length - mostShown
  return html`${strip(events, now)}<ol class="events">${events
    .slice(0, mostShown)
    .map(
      (event) =>
        html`<li class="${event.level}"><span class="when">${age({ at: iso(event.at), ago_ms: now - event.at })} ago</span> <span class="level"><span aria-hidden="true">${levelSigns[event.level]}</span> ${levelWords[event.level]}</span> <span>${event.text}${reasonOf(event)}</span></li>`,
    )}</ol>${rest > 0 ? html`<p>${rest} older ones of this day: balancer show events</p>` : null}`
}

/** Why a router moved stands beside its text, which is keepalived's. */
const reasonOf = ({ fields }: Event): string => {
  const reason = fields['reason']
  return typeof reason === 'string' && reason !== '' ? `, because: ${reason}` : ''
}

const strip = (events: Events, now: number): Html => {
  const end = Math.ceil(now / step) * step
  const x = (at: number): number => Math.round((1 - (end - at) / day) * width)
  const counts = (['error', 'warn', 'info'] as const).flatMap((level) => {
    const count = events.filter((event) => event.level === level).length
    return count === 0 ? [] : [`${count} ${levelWords[level]}${count === 1 ? '' : 's'}`]
  })
  const hours = Array.from({ length: 24 / hoursApart }, (_, i) => (i + 1) * hoursApart)
  return html`<svg class="strip" viewBox="0 0 ${width} ${height}" preserveAspectRatio="none" role="img" aria-label="The last 24 hours: ${counts.join(', ')}">${hours.map(
    (h) => html`<path class="hour" d="M${x(end - h * hour)} 0V${height}"/>`,
  )}${marks(events, x)}</svg>`
}

/** One mark for each place and level: errors are the tallest. */
const marks = (events: Events, x: (at: number) => number): readonly Html[] => {
  const places = new Set(events.map(({ at, level }) => `${level} ${x(at)}`))
  return [...places].map((place) => {
    const [level = '', at = '0'] = place.split(' ')
    const top = level === 'error' ? 2 : level === 'warn' ? 9 : 16
    return html`<path class="${level}" d="M${at} ${top}V${height}"/>`
  })
}
