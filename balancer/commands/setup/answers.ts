// What `balancer setup` wants to know: each answer with its flag, its question and what is allowed.

import * as z from 'zod'
import { parseEndpoint } from '../../config/endpoint-values.ts'
import { parseIpAddress } from '../../config/values.ts'
import { isLoopback, whyNoHost } from '../../core/address-kind.ts'
import { type Endpoint, endpointText } from '../../core/endpoint.ts'
import { bitsOf, familyOf, isLinkLocal } from '../../core/ip-address.ts'

/** What differs from host to host. `peer` null: VRRP speaks by multicast. Files null: no such password. */
export type Answers = {
  readonly interface: string
  readonly address: VirtualAddress
  readonly port: number
  readonly servers: readonly NamedServer[]
  readonly peer: string | null
  readonly routerId: string
  readonly virtualRouterId: number
  readonly priority: number
  readonly own: string
  readonly vrrpPasswordFile: string | null
  readonly statusPasswordFile: string | null
}

/** The virtual address; without a prefix length it gets that of the interface, without a port another question tells it. */
export type VirtualAddress = {
  readonly address: string
  readonly prefixLength: number | null
  readonly port: number | null
}

/** A database server. */
export type NamedServer = { readonly name: string; readonly address: Endpoint }

/** A value, or what is wrong with the text: what is allowed. */
export type Read<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly text: string }

/** One thing to know. */
export type Question<T> = {
  readonly flag: string
  readonly words: string
  readonly read: (text: string) => Read<T>
}

const good = <T>(value: T): Read<T> => ({ ok: true, value })
const bad = (text: string): Read<never> => ({ ok: false, text })

const whole = (low: number, high: number) => (text: string) => {
  const value = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN
  return value >= low && value <= high ? good(value) : bad(`allowed are the whole numbers ${low} to ${high}`)
}

const whyNot = (address: string): string | null =>
  isLoopback(address)
    ? 'never leaves its host'
    : isLinkLocal(address)
      ? 'is a link-local address, valid on one link only'
      : whyNoHost(address)

const namePattern = /^[A-Za-z0-9_.:-]{1,64}$/
const databasePort = 3306

const readAddress = (text: string): Read<VirtualAddress> => {
  const example = 'write an IP address, such as 10.0.0.100/24, 10.0.0.100/24:3306 or 2001:db8::100/64:3306'
  const [, written, prefix, port] = /^([^/]+)\/(\d{1,3})(?::(\d{1,5}))?$/.exec(text) ??
    /^(\[.+\]|[\d.]+)()(?::(\d{1,5}))?$/.exec(text) ?? ['', text]
  const address = parseIpAddress(written?.replace(/^\[(.+)\]$/, '$1'))
  if (address === undefined) return bad(example)
  const objection = whyNot(address)
  if (objection !== null) return bad(`${address} ${objection}; ${example}`)
  const bits = bitsOf(familyOf(address))
  if (prefix && (Number(prefix) < 1 || Number(prefix) > bits)) return bad(`a prefix length is 1 to ${bits}`)
  if (port !== undefined && (Number(port) < 1 || Number(port) > 65_535)) return bad('a port is 1 to 65535')
  return good({
    address,
    prefixLength: prefix ? Number(prefix) : null,
    port: port === undefined ? null : Number(port),
  })
}

const endpointAt = (address: string | undefined): Endpoint | undefined =>
  address === undefined ? undefined : { address, port: databasePort }

const readServers = (text: string): Read<readonly NamedServer[]> => {
  const example =
    'write NAME=ADDRESS[:PORT] with commas between, such as db1=10.0.0.11,db2=10.0.0.12:3307 or db3=[2001:db8::13]:3306'
  const servers: NamedServer[] = []
  for (const [i, part] of text
    .split(',')
    .map((one) => one.trim())
    .entries()) {
    const [, given, target = ''] = /^(?:([^=]*)=)?(.+)$/.exec(part) ?? []
    const server = {
      name: given ?? `db${i + 1}`,
      endpoint: parseEndpoint(target) ?? endpointAt(parseIpAddress(target.replace(/^\[(.+)\]$/, '$1'))),
    }
    if (server.endpoint === undefined) return bad(`"${part}" is no server; ${example}`)
    if (!namePattern.test(server.name))
      return bad(`"${server.name}" is no name: 1 to 64 letters, digits and . _ : -; ${example}`)
    const objection = whyNot(server.endpoint.address)
    if (objection !== null) return bad(`${server.endpoint.address} ${objection}; ${example}`)
    const address = server.endpoint
    const written = endpointText(address)
    const twice = servers.find((one) => one.name === server.name || endpointText(one.address) === written)
    if (twice !== undefined)
      return bad(`${twice.name}=${endpointText(twice.address)} and "${part}" are the same name or the same server`)
    servers.push({ name: server.name, address })
  }
  return good(servers)
}

const readPeer = (text: string): Read<string | null> => {
  if (text === 'none') return good(null)
  const address = parseIpAddress(text)
  const form = 'write the own address of the other balancer host, or none for multicast'
  if (address === undefined) return bad(form)
  const objection = whyNot(address)
  return objection === null ? good(address) : bad(`${address} ${objection}; ${form}`)
}

/** An absolute path that a shell and YAML take as it stands. */
const readFile = (text: string): Read<string> =>
  z
    .string()
    .regex(/^\/[\w./+@-]+$/)
    .safeParse(text).success
    ? good(text)
    : bad('write an absolute path of letters, digits and . _ + @ - /')

/** All questions, in the order in which they are asked. `interfaces` are those of this host. */
export const questionsFor = (interfaces: readonly string[]) => ({
  interface: {
    flag: 'interface',
    words: 'Interface that gets the virtual address',
    read: (text: string) =>
      interfaces.includes(text)
        ? good(text)
        : bad(`there is no such interface here; there are: ${interfaces.join(', ')}`),
  },
  address: {
    flag: 'address',
    words: 'Virtual address that clients connect to, such as 10.0.0.100/24',
    read: readAddress,
  },
  port: { flag: 'listen-port', words: 'Port that clients connect to', read: whole(1, 65_535) },
  servers: {
    flag: 'servers',
    words: 'Database servers, such as db1=10.0.0.11,db2=10.0.0.12',
    read: readServers,
  },
  peer: { flag: 'peer', words: 'Own address of the other balancer host (none: multicast)', read: readPeer },
  routerId: {
    flag: 'router-id',
    words: 'Name of this balancer',
    read: (text: string) =>
      namePattern.test(text) ? good(text) : bad('a name is 1 to 64 letters, digits and . _ : -'),
  },
  virtualRouterId: {
    flag: 'virtual-router-id',
    words: 'Virtual router id, the same on both hosts and used by nobody else on this network',
    read: whole(1, 255),
  },
  priority: { flag: 'priority', words: 'Priority; the higher one is master', read: whole(1, 254) },
  vrrpPasswordFile: { flag: 'vrrp-password-file', words: '', read: readFile },
  newVrrpPasswordFile: { flag: 'new-vrrp-password-file', words: '', read: readFile },
  statusPasswordFile: { flag: 'status-password-file', words: '', read: readFile },
})
