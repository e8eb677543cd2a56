// Values that a configuration writes as text: durations, addresses, networks, paths.

import { isIP, isIPv4 } from 'node:net'
import * as z from 'zod'
import { durationPattern, parseDuration } from '../core/duration.ts'
import { type Millis, millis } from '../core/time.ts'

/** What the JSON schema says of a text that is read by a function: a pattern that refuses nothing valid. */
const textLike = (pattern: RegExp) => ({ type: 'string', pattern: pattern.source }) as const

/** A duration between two bounds, written as a number with a unit: `100ms`, `1.5s`, `8h`. */
export const duration = (minimum: string, maximum: string) =>
  z
    .unknown()
    .transform((value, context): Millis => {
      const parsed = durationMillis(value)
      const [low, high] = [durationMillis(minimum), durationMillis(maximum)]
      if (typeof value === 'number') {
        fail(context, value, `a duration needs a unit; write "${value}s" for seconds or "${value}ms" for milliseconds`)
      } else if (parsed === null) {
        fail(context, value, 'a duration is a number with a unit, such as 100ms, 2s, 5m or 8h')
      } else if (low !== null && high !== null && (parsed < low || parsed > high)) {
        fail(context, value, `allowed are ${minimum} to ${maximum}`)
      }
      return millis(parsed ?? 0)
    })
    .meta(textLike(durationPattern))

const durationMillis = (value: unknown): Millis | null => (typeof value === 'string' ? parseDuration(value) : null)

/** An IPv4 or IPv6 address. */
export const address = z.string().refine((value) => isIP(value) !== 0, {
  error: 'write an IP address, such as 0.0.0.0 (every address of this host), 127.0.0.1 or ::',
})

/** A network in CIDR notation. */
export type Network = {
  readonly address: string
  readonly prefixLength: number
  readonly family: 'ipv4' | 'ipv6'
}

const addressBits = { ipv4: 32, ipv6: 128 } as const

/** `10.0.0.0/8` or `fd00::/8`; without a prefix it is that one address. */
export const network = z
  .unknown()
  .transform((value, context): Network => {
    const [written = '', digits, rest] = typeof value === 'string' ? value.split('/') : []
    const family = isIPv4(written) ? 'ipv4' : 'ipv6'
    // Peers are known by their IPv4 address, on every listener.
    if (/^::ffff:\d+\./i.test(written))
      fail(context, value, 'write the IPv4 address, such as 10.1.6.203, without ::ffff:')
    const prefixLength = digits === undefined ? addressBits[family] : /^\d{1,3}$/.test(digits) ? Number(digits) : -1
    if (isIP(written) === 0 || rest !== undefined || prefixLength < 0 || prefixLength > addressBits[family]) {
      fail(context, value, 'write an address or a network, such as 10.1.6.203, 10.1.6.0/24 or fd00::/8')
    }
    return { address: written, prefixLength, family }
  })
  .meta(textLike(/^[0-9A-Za-z:.%-]+(\/\d{1,3})?$/))

/** A whole number between two bounds. */
export const integer = (minimum: number, maximum: number) => {
  const error = `allowed are the whole numbers ${minimum} to ${maximum}`
  return z.number().int({ error }).min(minimum, { error }).max(maximum, { error })
}

/** An absolute path of a file. */
export const absolutePath = (example: string) =>
  z.string().regex(/^\/[^\0]*$/, { error: `write an absolute path, such as ${example}` })

const percentagePattern = /^(\d{1,2}(?:\.\d{1,3})?)%$/

/** A share written as `5%`, as the number of percent. */
export const percentage = z
  .unknown()
  .transform((value, context): number => {
    const [, digits] = typeof value === 'string' ? (percentagePattern.exec(value) ?? []) : []
    if (digits === undefined) fail(context, value, 'write a share below 100%, such as 5%')
    return Number(digits ?? 0)
  })
  .meta(textLike(percentagePattern))

const fail = (context: z.RefinementCtx, input: unknown, message: string): void => {
  context.addIssue({ code: 'custom', message, input })
}
