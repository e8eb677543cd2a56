// A weight as HAProxy's `set weight` and `set server … weight` take it: absolute, or a share of the configured one.

import { haproxyRefusals as refusals } from './command.ts'

/** The weight, or what HAProxy says is wrong with the text. */
export type ReadWeight = { readonly ok: true; readonly value: number } | { readonly ok: false; readonly text: string }

const largest = 256
const whole = 100

/** Reads `75` or `50%` of a server whose configured weight is `initial`. A share of more than all there is ends at 256. */
export const readWeight = (text: string | undefined, initial: number): ReadWeight => {
  const refuse = (why: string): ReadWeight => ({ ok: false, text: why })
  if (text === undefined || text === '') return refuse(refusals.noWeight)
  const [, digits, rest = ''] = /^([+-]?\d+)(.*)$/.exec(text) ?? []
  if (digits === undefined) return refuse(refusals.emptyWeight)
  const number = Number(digits)
  if (rest === '%') {
    if (number < 0) return refuse(refusals.relativeWeight)
    return { ok: true, value: Math.min(largest, Math.floor((initial * number) / whole)) }
  }
  if (rest !== '') return refuse(refusals.trailingWeight)
  return number >= 0 && number <= largest ? { ok: true, value: number } : refuse(refusals.largeWeight)
}
