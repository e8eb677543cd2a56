// Rules over addresses, ports and networks of agent.yaml: what the schema takes and what still cannot work.

import { isIPv4 } from 'node:net'
import { networkInterfaces } from 'node:os'
import type { Finding, Written } from './document.ts'

const defaultPort = 9222
const anyAddress = '0.0.0.0'

/** What cannot work, or hardly. */
export const addressFindings = (written: Written): readonly Finding[] => [
  ...listenFindings(written, ['listen', 'address']),
  ...listenFindings(written, ['agent_check', 'address']),
  ...serverFindings(written),
  ...accessFindings(written),
]

/** Why nobody can listen at an address, nor connect to it; null where it is that of a host, or stands for all. */
export const whyNoHost = (address: string): string | null => {
  if (!isIPv4(address)) {
    if (/^ff/i.test(address)) return 'is a multicast address'
    return /^::ffff:\d+\./i.test(address) ? 'is an IPv4 address in the form of IPv6' : null
  }
  const [first = 0] = address.split('.').map(Number)
  if (first >= 224 && first < 240) return 'is a multicast address'
  if (address === '255.255.255.255') return 'is the broadcast address'
  if (first >= 240) return 'is reserved (240.0.0.0/4)'
  return first === 0 && address !== anyAddress ? 'is reserved (0.0.0.0/8)' : null
}

const listenFindings = (written: Written, path: readonly PropertyKey[]): readonly Finding[] => {
  const address = written(...path)
  if (typeof address !== 'string') return []
  const objection = whyNoHost(address)
  if (objection !== null) {
    return [
      {
        severity: 'error',
        path,
        text: `${address} ${objection}; write an address of this host, or ${anyAddress} for all`,
      },
    ]
  }
  if (isEveryAddress(address) || isHere(address)) return []
  const text = `this host does not have ${address}: the agent cannot start until it has; write an address of this host, or ${anyAddress}`
  return [{ severity: 'warning', path, text }]
}

const isEveryAddress = (address: string): boolean => address === anyAddress || /^[0:]+$/.test(address)

const isHere = (address: string): boolean => {
  // What the system does not tell, or writes in another way, is no reason to warn.
  if (address.startsWith('127.') || !isIPv4(address)) return true
  try {
    return Object.values(networkInterfaces()).some((held) => held?.some((one) => one.address === address))
  } catch {
    return true
  }
}

/** The server that the agent logs in to: a host, and not the agent itself. */
const serverFindings = (written: Written): readonly Finding[] => {
  const host = written('mysql', 'host')
  if (typeof host !== 'string') return []
  const objection = isEveryAddress(host) ? 'stands for every address of a host' : whyNoHost(host)
  if (objection !== null) {
    const text = `${host} ${objection}; write the address of the server, such as 127.0.0.1`
    return [{ severity: 'error', path: ['mysql', 'host'], text }]
  }
  const own = [
    ['listen', written('listen', 'port') ?? defaultPort],
    ['agent_check', written('agent_check', 'port')],
  ]
  const isLocal = host === 'localhost' || host.startsWith('127.') || host === '::1'
  return (['port', 'extra_port', 'admin_port'] as const).flatMap((key): readonly Finding[] => {
    const port = written('mysql', key)
    const [section] = own.find(([, taken]) => taken !== undefined && taken === port) ?? []
    if (port === undefined || section === undefined || !isLocal) return []
    return [
      {
        severity: 'error',
        path: ['mysql', key],
        text: `${port} is the agent itself (${section}.port); write the port of the server, such as 3306`,
      },
    ]
  })
}

const accessFindings = (written: Written): readonly Finding[] => {
  const denied = written('access', 'deny')
  const allowed = written('access', 'allow')
  const isOpen = !Array.isArray(allowed) || allowed.length === 0
  const found: Finding[] = []
  if (Array.isArray(denied)) {
    for (const [i, network] of denied.entries()) {
      const path = ['access', 'deny', i]
      if (network === '0.0.0.0/0' && isOpen)
        found.push({
          severity: 'warning',
          path,
          text: 'nobody with an IPv4 address is answered; name the networks that shall not be',
        })
      else if (Array.isArray(allowed) && allowed.includes(network)) {
        found.push({
          severity: 'warning',
          path,
          text: `${network} is allowed as well, and of two alike deny counts; keep one`,
        })
      }
    }
  }
  const [all, each] = [written('access', 'max_connections'), written('access', 'max_connections_per_source')]
  if (typeof all === 'number' && typeof each === 'number' && each > all) {
    const text = `found ${each}, more than the ${all} of all sources together (max_connections), so that it bounds nothing; write a smaller number`
    found.push({ severity: 'warning', path: ['access', 'max_connections_per_source'], text })
  }
  return found
}
