// How long something has been so: the browser counts it on by itself, so that a page that is live need not hear of it.

import type { Moment } from '../../model/status.ts'
import { type Html, html } from '../html.ts'
import { duration } from '../text.ts'

/** Writes how long ago a moment was. */
export type Age = (moment: Moment | null) => Html

/** With its text, for a page that stands by itself. */
export const writtenAge: Age = (moment) =>
  moment === null ? html`-` : html`<time datetime="${moment.at}">${duration(moment.ago_ms)}</time>`

/** The moment alone: what is sent to a page that is open, whose script writes the text. Equal as long as the moment is. */
export const liveAge: Age = (moment) => (moment === null ? html`-` : html`<time datetime="${moment.at}"></time>`)
