// Endpoints as a configuration writes them: an address with a port, an IPv6 address in brackets.

import * as z from 'zod'
import { isLoopback, isUnspecified, whyNoHost } from '../core/address-kind.ts'
import { type Endpoint, endpointText, plainAddress } from '../core/endpoint.ts'
import { familyOf, isLinkLocal } from '../core/ip-address.ts'
import { fail, parseIpAddress, textLike } from './values.ts'

/** Reads `10.0.0.1:3306` or `[2001:db8::1]:3306`, the address into the one text of RFC 5952; undefined for anything else. */
export const parseEndpoint = (value: unknown): Endpoint | undefined => {
  const [, written = '', digits] = (typeof value === 'string' && /^(.*):(\d{1,5})$/.exec(value)) || []
  const isBracketed = written.startsWith('[') && written.endsWith(']')
  const address = parseIpAddress(isBracketed ? written.slice(1, -1) : written)
  const port = Number(digits)
  if (address === undefined || isBracketed !== (familyOf(address) === 'ipv6')) return undefined
  return address === plainAddress(address) && port >= 1 && port <= 65_535 ? { address, port } : undefined
}

const forms = 'write an address and a port, such as 10.0.0.1:3306 or "[2001:db8::1]:3306"'

/** What to write in the place of a text that is no endpoint. */
const instead = (given: unknown): string => {
  const value = textOf(given)
  if (value === undefined) return forms
  if (value.includes('%')) {
    return 'an address with its interface behind % is not taken: it is valid on one link only; write one without, such as "[2001:db8::1]:3306"'
  }
  const bare = /^\[?(.*?)\]?:(\d{1,5})$/.exec(value)
  const [, meant = '', port = ''] = bare ?? []
  if (bare !== null && ['*', ''].includes(meant)) {
    return `write 0.0.0.0:${port} for every IPv4 address, or "[::]:${port}" for every address`
  }
  const corrected = correctedText(meant, Number(port))
  if (corrected !== undefined) return `write ${corrected}`
  const alone = correctedText(value.replace(/^\[(.*)\]$/, '$1'), 3306)
  return alone === undefined ? forms : `the port is missing; write it behind the address, such as ${alone}`
}

/** As it was written: without quotes `[2001:db8::1]:3306` in a list is a mapping with a list for its key. */
const textOf = (given: unknown): string | undefined => {
  if (typeof given !== 'object' || given === null) return typeof given === 'string' ? given : undefined
  const [[key, port] = ['', null], ...others] = Object.entries(given)
  return others.length === 0 && typeof port === 'number' ? `${key.replaceAll(' ', '')}:${port}` : undefined
}

/** An endpoint as YAML takes it: brackets begin a list there. */
const correctedText = (text: string, port: number): string | undefined => {
  const address = parseIpAddress(text)
  const corrected = address === undefined ? undefined : endpointText({ address: plainAddress(address), port })
  if (corrected === undefined || parseEndpoint(corrected) === undefined) return undefined
  return corrected.startsWith('[') ? `"${corrected}", with the quotes` : corrected
}

/** An endpoint whose address has nothing against it; `whyNot` says what is wrong with it and what to write. */
export const endpoint = (whyNot: (address: string) => string | null) =>
  z
    .unknown()
    .transform((value, context): Endpoint => {
      const parsed = parseEndpoint(value)
      const objection = parsed === undefined ? null : whyNot(parsed.address)
      if (parsed === undefined) fail(context, value, instead(value))
      else if (objection !== null) fail(context, value, `${parsed.address} ${objection}`)
      return parsed ?? { address: '', port: 0 }
    })
    .meta(textLike(/^(\d{1,3}(\.\d{1,3}){3}|\[[0-9A-Fa-f:.]+\]):\d{1,5}$/))

/** Why nothing of this program can be reached there, or reach it from elsewhere; null where it can. */
export const whyNoEndpoint = (address: string): string | null =>
  isLinkLocal(address)
    ? 'is a link-local address, valid on one link only'
    : isLoopback(address)
      ? null
      : whyNoHost(address)

/** Where connections come in: an address that this host has, will have or may take, or 0.0.0.0 or [::] for every one. */
export const bindEndpoint = endpoint((address) => {
  const objection = isUnspecified(address) ? null : whyNoEndpoint(address)
  return objection === null
    ? null
    : `${objection}; write an address of this host, a virtual one, or 0.0.0.0 or [::] for all`
})

/** Where connections go to: the address of a host. */
export const hostEndpoint = endpoint((address) => {
  const objection = whyNoEndpoint(address)
  return objection === null ? null : `${objection}; write the address of the server`
})

/** Where syslog goes: a UDP port of a host, or a socket of this one. */
export type SyslogReceiver = Endpoint | { readonly path: string }

/** Longer paths do not fit into the kernel's sockaddr_un. */
const longestSocketPath = 107

/** `127.0.0.1:514`, `[::1]:514` or `/dev/log`. */
export const syslogReceiver = z
  .unknown()
  .transform((value, context): SyslogReceiver => {
    const isPath = typeof value === 'string' && /^\/[^\0]*$/.test(value)
    const parsed = parseEndpoint(value)
    const objection = parsed === undefined ? null : whyNoEndpoint(parsed.address)
    if (isPath) {
      if (Buffer.byteLength(value) > longestSocketPath) fail(context, value, 'a socket path has at most 107 bytes')
      return { path: value }
    }
    if (parsed === undefined)
      fail(context, value, 'write 127.0.0.1:514 or "[::1]:514", the UDP port of a syslog daemon, or /dev/log')
    else if (objection !== null) fail(context, value, `${parsed.address} ${objection}; write the address of a host`)
    return parsed ?? { path: '' }
  })
  .meta(textLike(/^(\/.*|(\d{1,3}(\.\d{1,3}){3}|\[[0-9A-Fa-f:.]+\]):\d{1,5})$/))
