// Values that a configuration writes as text: durations, addresses, endpoints.

import { isIP, isIPv4 } from 'node:net'
import { z } from 'zod'
import { addressBytes, addressText, bitsOf, familyOf } from '../core/ip-address.ts'
import { type Millis, millis } from '../core/time.ts'

const unitMillis: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** What the JSON schema says of a text that is read by a function: a pattern that refuses nothing valid. */
const textLike = (pattern: RegExp) => ({ type: 'string', pattern: pattern.source }) as const

const durationPattern = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/

/** A duration between two bounds, written as a number with a unit: `100ms`, `1.5s`, `8h`. */
export const duration = (minimum: string, maximum: string) =>
  z
    .unknown()
    .transform((value, context): Millis => {
      const parsed = durationMillis(value)
      const [low, high] = [durationMillis(minimum), durationMillis(maximum)]
      if (typeof value === 'number') {
        fail(context, value, `a duration needs a unit; write "${value}s" for seconds or "${value}ms" for milliseconds`)
      } else if (parsed === undefined) {
        fail(context, value, 'a duration is a number with a unit, such as 100ms, 2s, 5m or 8h')
      } else if (low !== undefined && high !== undefined && (parsed < low || parsed > high)) {
        fail(context, value, `allowed are ${minimum} to ${maximum}`)
      }
      return millis(parsed ?? 0)
    })
    .meta(textLike(durationPattern))

/** Milliseconds of `100ms`, `2s`, `5m`, `8h` or `1d`; undefined for anything else. */
export const durationMillis = (value: unknown): number | undefined => {
  if (typeof value !== 'string') return undefined
  const [, digits, unit] = durationPattern.exec(value) ?? []
  const factor = unitMillis[unit ?? '']
  return digits === undefined || factor === undefined ? undefined : Number(digits) * factor
}

/** Host and port of one end of a connection. */
export type Endpoint = { readonly address: string; readonly port: number }

/** `10.0.0.1:3306`. */
export const endpoint = z
  .unknown()
  .transform((value, context): Endpoint => {
    const [, address, digits] = (typeof value === 'string' && /^(.*):(\d{1,5})$/.exec(value)) || []
    const port = Number(digits)
    if (address === undefined || !isIPv4(address) || port < 1 || port > 65_535) {
      fail(context, value, 'write an IPv4 address and a port, such as 10.0.0.1:3306')
    }
    return { address: address ?? '', port }
  })
  .meta(textLike(/^\d{1,3}(\.\d{1,3}){3}:\d{1,5}$/))

/** An address of either family with its prefix length; IPv6 in the one text of RFC 5952. */
export type AddressWithPrefix = { readonly address: string; readonly prefixLength: number }

/** `10.0.0.1/24` or `2001:db8::1/64`; without a prefix length it stands for the one address. */
export const addressWithPrefix = z
  .unknown()
  .transform((value, context): AddressWithPrefix => {
    const parsed = parseAddressWithPrefix(value)
    if (parsed === undefined) {
      fail(context, value, 'write an IP address with its prefix length, such as 10.0.0.1/24 or 2001:db8::1/64')
    }
    return parsed ?? { address: '', prefixLength: 0 }
  })
  .meta(textLike(/^[0-9A-Fa-f:.]+(\/\d{1,3})?$/))

/** Reads an address with an optional prefix length; undefined for anything else. */
export const parseAddressWithPrefix = (value: unknown): AddressWithPrefix | undefined => {
  const [text = '', digits, rest] = typeof value === 'string' ? value.split('/') : []
  if (rest !== undefined || isIP(text) === 0 || text.includes('%')) return undefined
  const bits = bitsOf(familyOf(text))
  const prefixLength = digits === undefined ? bits : /^\d{1,3}$/.test(digits) ? Number(digits) : 0
  return prefixLength < 1 || prefixLength > bits
    ? undefined
    : { address: addressText(addressBytes(text)), prefixLength }
}

/** `10.0.0.1` or `2001:db8::1`. */
export const ipAddress = z
  .unknown()
  .transform((value, context): string => {
    if (typeof value === 'string' && isIP(value) !== 0 && !value.includes('%')) return addressText(addressBytes(value))
    fail(context, value, 'write an IP address, such as 10.0.0.1 or 2001:db8::1')
    return ''
  })
  .meta(textLike(/^[0-9A-Fa-f:.]+$/))

/** The name of a thing that logs and commands will mention. */
export const name = z.string().regex(/^[A-Za-z0-9_.:-]{1,64}$/, {
  error: 'a name is 1 to 64 letters, digits and . _ : -',
})

/** A whole number between two bounds. */
export const integer = (minimum: number, maximum: number) =>
  z
    .number()
    .int()
    .min(minimum)
    .max(maximum, { error: `allowed are the whole numbers ${minimum} to ${maximum}` })

const fail = (context: z.RefinementCtx, input: unknown, message: string): void => {
  context.addIssue({ code: 'custom', message, input })
}
