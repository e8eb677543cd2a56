// The live view on a terminal: what it shows, what has changed, and what keys do. `step(state, event) -> state`.

import { type Answer, marksOf, type ViewName, viewNames } from './contents.ts'
import { scrollRangeOf } from './frame.ts'
import type { Key } from './keys.ts'

/** The window, in letters. */
export type Size = { readonly columns: number; readonly rows: number }

/**
 * The live view. Moments are milliseconds of a clock that only goes on. `answeredAt` is when `answer` came; `trouble` why there
 * is none now, and since when; `marks` what the answer says, each with when it was new (-Infinity: with the first answer).
 * `scroll` counts lines.
 */
export type WatchState = {
  readonly view: ViewName
  readonly size: Size
  readonly scroll: number
  readonly now: number
  readonly freshFor: number
  readonly isPaused: boolean
  readonly isOver: boolean
  readonly answer: Answer | null
  readonly answeredAt: number
  readonly trouble: { readonly text: string; readonly since: number } | null
  readonly marks: ReadonlyMap<string, number>
}

/** What happened, `at` a moment. */
export type WatchEvent = { readonly at: number } & (
  | { readonly event: 'answered'; readonly answer: Answer }
  | { readonly event: 'failed'; readonly text: string }
  | { readonly event: 'resized'; readonly size: Size }
  | { readonly event: 'typed'; readonly key: Key }
  | { readonly event: 'time-passed' }
)

/** A change stands out for this long, and until the look after the next one. */
const shortestFresh = 5000

/** A view of which nothing has been heard yet; it looks each `interval` milliseconds. */
export const beginning = (view: ViewName, size: Size, now: number, interval: number): WatchState => ({
  ...{ view, size, now, scroll: 0, isPaused: false, isOver: false, answer: null, answeredAt: now, trouble: null },
  freshFor: Math.max(shortestFresh, 2 * interval),
  marks: new Map(),
})

/** What follows from an event. */
export const step = (before: WatchState, event: WatchEvent): WatchState => {
  const state = { ...before, now: event.at }
  switch (event.event) {
    case 'answered':
      return {
        ...state,
        answer: event.answer,
        answeredAt: event.at,
        trouble: null,
        marks: marksAfter(before, event.answer, event.at),
      }
    case 'failed':
      return { ...state, trouble: { text: event.text, since: before.trouble?.since ?? event.at } }
    case 'resized':
      return { ...state, size: event.size }
    case 'typed':
      return typed(state, event.key)
    case 'time-passed':
      return state
    default:
      return event satisfies never
  }
}

/** Whether something stands out: it was not there before. */
export const isFreshIn =
  ({ marks, now, freshFor }: WatchState) =>
  (mark: string): boolean =>
    now - (marks.get(mark) ?? Number.NEGATIVE_INFINITY) < freshFor

const marksAfter = ({ answer: last, marks }: WatchState, answer: Answer, at: number): ReadonlyMap<string, number> => {
  const moment = last === null ? Number.NEGATIVE_INFINITY : at
  return new Map([...marksOf(answer)].map((mark) => [mark, marks.get(mark) ?? moment]))
}

const typed = (state: WatchState, key: Key): WatchState => {
  switch (key.key) {
    case 'quit':
      return { ...state, isOver: true }
    case 'pause':
      return { ...state, isPaused: !state.isPaused }
    case 'view': {
      const view = viewNames[key.number - 1]
      return view === undefined ? state : { ...state, view, scroll: 0 }
    }
    case 'next':
    case 'previous': {
      const by = key.key === 'next' ? 1 : viewNames.length - 1
      const view = viewNames[(viewNames.indexOf(state.view) + by) % viewNames.length] ?? state.view
      return { ...state, view, scroll: 0 }
    }
    case 'scroll': {
      const { most, page } = scrollRangeOf(state)
      const lines = { line: 1, page, all: most }[key.by] * key.direction
      return { ...state, scroll: Math.max(0, Math.min(most, Math.min(most, state.scroll) + lines)) }
    }
    // Of these the one who draws takes care.
    case 'suspend':
    case 'redraw':
      return state
    default:
      return key satisfies never
  }
}
