// direct_return of agent.yaml: which addresses and ports of listeners this host answers itself, and what cannot work there.

import { isIP, isIPv4, SocketAddress } from 'node:net'
import { networkInterfaces } from 'node:os'
import type { Entry } from '../direct-return/core/entry.ts'
import { endpointOf } from '../direct-return/core/entry.ts'
import type { Commands } from '../direct-return/core/standing.ts'
import { permanentHolder } from '../os/ip.ts'
import { whyNoHost } from './address-rules.ts'
import type { Finding, Written } from './document.ts'
import { defaultConfigPath, directReturnUnitOf, instanceOf } from './places.ts'
import { type AgentSettings, clientAddressPattern } from './schema.ts'

/** What this host is prepared for, where that is written down, and the commands of this configuration. */
export type DirectReturnConfig = {
  readonly entries: readonly Entry[]
  readonly directory: string
  /** Of the files there and of the table: that of the configuration file. */
  readonly name: string
  /** Null for a configuration that no shipped unit runs with. */
  readonly unit: string | null
  readonly commands: Commands & { readonly up: string; readonly down: string }
}

const usualPort = 3306

/** What is written, with the server's own port in each entry. */
export const directReturnOf = (
  { direct_return, direct_return_directory: directory, mysql }: AgentSettings,
  path: string,
): DirectReturnConfig => {
  const [, , , clientPort] = clientAddressPattern.exec(mysql.client_address ?? '') ?? []
  const port = clientPort === undefined ? (mysql.port ?? usualPort) : Number(clientPort)
  return {
    ...directReturnAt(path, directory),
    entries: direct_return.map((one) => ({
      address: canonical(one.address),
      port: one.port,
      serverPort: one.server_port ?? port,
    })),
  }
}

/** Without any entry: what is left to undo where a configuration cannot be read. */
export const directReturnAt = (path: string, directory: string): DirectReturnConfig => {
  const unit = directReturnUnitOf(path)
  const words = (command: string): string =>
    `mysqlchk-agent direct-return ${command}${path === defaultConfigPath ? '' : ` --config ${path}`}`
  return {
    entries: [],
    directory,
    name: instanceOf(path),
    unit,
    commands: {
      up: words('up'),
      down: words('down'),
      prepare: unit === null ? words('up --watch') : `systemctl enable --now ${unit}`,
      revive: unit === null ? words('up --watch') : `systemctl restart ${unit}`,
    },
  }
}

/** The one text of an address (RFC 5952): a balancer writes it in that way, and so does the kernel. */
const canonical = (address: string): string =>
  new SocketAddress({ address, family: isIPv4(address) ? 'ipv4' : 'ipv6' }).address

/** What cannot work. */
export const directReturnFindings = (written: Written): readonly Finding[] => {
  const entries = written('direct_return')
  if (!Array.isArray(entries)) return []
  const places = new Map<string, number>()
  return entries.flatMap((_, i): readonly Finding[] => {
    const [address, port] = [written('direct_return', i, 'address'), written('direct_return', i, 'port')]
    if (typeof address !== 'string' || isIP(address) === 0 || address.includes('%')) return []
    const error = (key: string, text: string): Finding => ({
      severity: 'error',
      path: ['direct_return', i, key],
      text: `${String(written('direct_return', i, key))} ${text}`,
    })
    const objection = whyNotVirtual(address)
    if (objection !== null) return [error('address', `${objection}; write the address of a listener of the balancers`)]
    const own = canonical(address)
    const endpoint = endpointOf({ address: own, port: Number(port) })
    const first = places.get(endpoint)
    places.set(endpoint, first ?? i)
    if (first !== undefined) {
      return [error('port', `of ${own} is written twice (direct_return[${first}]); keep one of them`)]
    }
    const holder = isElsewhere(own) ? permanentHolder(own) : null
    if (holder === null) return []
    const text = `is an address of this host itself, on ${holder}; write the virtual address, which the balancers hold and clients connect to`
    return [error('address', text)]
  })
}

const whyNotVirtual = (address: string): string | null => {
  if (/^(127\.|::1$)/.test(address)) return 'is a loopback address, which nobody reaches from elsewhere'
  if (/^(169\.254\.|fe[89ab][0-9a-f]:)/i.test(address)) return 'is a link-local address'
  if (/^[0:.]+$/.test(address)) return 'stands for every address of a host'
  return whyNoHost(address)
}

/** On another interface than lo: on a balancer's own host the address comes and goes there, with a lease. */
const isElsewhere = (address: string): boolean => {
  try {
    return Object.entries(networkInterfaces()).some(
      ([device, held]) => device !== 'lo' && held?.some((one) => one.address === address),
    )
  } catch {
    return false
  }
}
