// A small chart of the last hour as inline SVG, with its numbers in words.

import type { History } from '../../model/history.ts'
import { type Html, html } from '../html.ts'

const [width, height] = [180, 40]

/** The three charts of a listener. */
export const charts = ({ sessions, rate, check }: History): Html =>
  html`${chart('Sessions', '', sessions)}${chart('New sessions', '/s', rate)}${chart('Slowest check', ' ms', check)}`

const chart = (title: string, unit: string, samples: readonly (number | null)[]): Html => {
  const known = samples.filter((sample) => sample !== null)
  if (known.length === 0)
    return html`<figure><figcaption>${title}: nothing known of the last hour</figcaption></figure>`
  const most = Math.max(...known)
  const now = samples.at(-1) ?? null
  const words = `${now === null ? 'unknown now' : `${number(now)}${unit} now`}, at most ${number(most)}${unit}`
  return html`<figure><figcaption>${title}: <b>${words}</b></figcaption><svg viewBox="0 0 ${width} ${height}" preserveAspectRatio="none" role="img" aria-label="${title} over the last hour: ${words}"><path d="${lineOf(samples, most)}"/></svg></figure>`
}

const number = (value: number): string => `${value >= 100 ? Math.round(value) : Math.round(value * 10) / 10}`

/** A line with a gap wherever nothing is known; the highest value touches the top. */
const lineOf = (samples: readonly (number | null)[], most: number): string => {
  // A point at the end has its width too.
  const step = (width - 1) / Math.max(1, samples.length - 1)
  let isDown = false
  let path = ''
  for (const [i, sample] of samples.entries()) {
    if (sample === null) {
      isDown = false
      continue
    }
    const y = most === 0 ? height - 1 : height - 1 - (sample / most) * (height - 2)
    const at = `${Math.round(i * step)} ${Math.round(y * 10) / 10}`
    // A point alone is a short line.
    path += isDown ? `L${at}` : `M${at}h1`
    isDown = true
  }
  return path
}
