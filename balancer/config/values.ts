// Values that a configuration writes as text: durations, addresses, names. Endpoints stand in endpoint-values.ts.

import { isIP } from 'node:net'
import * as z from 'zod'
import { isNetwork, whyNoHost, whyNotInNetwork } from '../core/address-kind.ts'
import { addressBytes, addressText, bitsOf, familyOf } from '../core/ip-address.ts'
import { type Millis, millis } from '../core/time.ts'

const unitMillis: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** What the JSON schema says of a text that is read by a function: a pattern that refuses nothing valid. */
export const textLike = (pattern: RegExp) => ({ type: 'string', pattern: pattern.source }) as const

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

/** An address of either family with its prefix length; IPv6 in the one text of RFC 5952. */
export type AddressWithPrefix = { readonly address: string; readonly prefixLength: number }

const addressWithPrefix = (example: string, whyNot: (parsed: AddressWithPrefix) => string | null) =>
  z
    .unknown()
    .transform((value, context): AddressWithPrefix => {
      const parsed = parseAddressWithPrefix(value)
      const objection = parsed === undefined ? null : whyNot(parsed)
      if (parsed === undefined) fail(context, value, `write ${example}`)
      else if (objection !== null) fail(context, value, objection)
      return parsed ?? { address: '', prefixLength: 0 }
    })
    .meta(textLike(/^[0-9A-Fa-f:.]+(\/\d{1,3})?$/))

/** `10.0.0.1/24` or `2001:db8::1/64`, of a host; without a prefix length it stands for the one address. */
export const hostAddress = addressWithPrefix(
  'an IP address with its prefix length, such as 10.0.0.1/24 or 2001:db8::1/64',
  ({ address, prefixLength }) => {
    const objection = whyNoHost(address) ?? whyNotInNetwork(address, prefixLength)
    return objection === null ? null : `${address} ${objection}; write an address that a host can have`
  },
)

/** `10.0.0.0/24` or `2001:db8::/64`, where a route leads to; without a prefix length it is the one address. */
export const network = addressWithPrefix(
  'a network, such as 10.0.0.0/24 or 2001:db8::/64; a default route is set where the host is set up',
  ({ address, prefixLength }) =>
    isNetwork(address, prefixLength)
      ? null
      : `${address} is an address in a network of /${prefixLength}; write ${networkText(address, prefixLength)}`,
)

/** `10.0.0.7`, `10.0.0.0/24` or `2001:db8::/64`: where clients come from. */
export const clientNetwork = addressWithPrefix(
  'an address or a network, such as 10.0.0.7 or 10.0.0.0/24; an empty list is everyone',
  ({ address, prefixLength }) =>
    isNetwork(address, prefixLength) || prefixLength === bitsOf(familyOf(address))
      ? null
      : `${address} is an address in a network of /${prefixLength}; write ${networkText(address, prefixLength)}`,
)

const networkText = (address: string, prefixLength: number): string => {
  const bytes = addressBytes(address).map((byte, i) => {
    const bits = Math.min(8, Math.max(0, prefixLength - i * 8))
    return byte & (0xff << (8 - bits)) & 0xff
  })
  return `${addressText(bytes)}/${prefixLength}`
}

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

/** Reads `10.0.0.1` or `2001:db8::1`, IPv6 into the one text of RFC 5952; undefined for anything else. */
export const parseIpAddress = (value: unknown): string | undefined =>
  typeof value === 'string' && isIP(value) !== 0 && !value.includes('%') ? addressText(addressBytes(value)) : undefined

/** `10.0.0.1` or `2001:db8::1`, of a host. */
export const ipAddress = z
  .unknown()
  .transform((value, context): string => {
    const parsed = parseIpAddress(value)
    const objection = parsed === undefined ? null : whyNoHost(parsed)
    if (parsed === undefined) fail(context, value, 'write an IP address, such as 10.0.0.1 or 2001:db8::1')
    else if (objection !== null) fail(context, value, `${parsed} ${objection}; write the address of a host`)
    return parsed ?? ''
  })
  .meta(textLike(/^[0-9A-Fa-f:.]+$/))

/** The name of a network interface, as the kernel takes it. */
export const interfaceName = z.string().regex(/^(?!\.{1,2}$)[^\s/:]{1,15}$/, {
  error: 'the name of an interface is 1 to 15 characters without spaces, / and :',
})

/** The label of an address, which tools show as if it were an interface (`ip address`: IFA_LABEL). */
export const addressLabel = z.string().regex(/^[!-~]{1,15}$/, {
  error: 'a label is 1 to 15 printable characters without spaces, such as eth0:vip',
})

/** The name of a thing that logs and commands will mention. */
export const name = z.string().regex(/^[A-Za-z0-9_.:-]{1,64}$/, {
  error: 'a name is 1 to 64 letters, digits and . _ : -',
})

/** A whole number between two bounds. */
export const integer = (minimum: number, maximum: number) => {
  const error = `allowed are the whole numbers ${minimum} to ${maximum}`
  return z.number({ error }).int({ error }).min(minimum, { error }).max(maximum, { error })
}

/** Reports what is wrong with a value and what to write instead. */
export const fail = (context: z.RefinementCtx, input: unknown, message: string): void => {
  context.addIssue({ code: 'custom', message, input })
}
