// The routes of this host's main table, at once and without asking anybody.

import { readFileSync } from 'node:fs'
import { addressText, type Family } from '../core/ip-address.ts'

/** A route: packets to this network leave through `device`. The smaller metric of two wins. */
export type HostRoute = {
  readonly family: Family
  readonly network: string
  readonly prefixLength: number
  readonly device: string
  readonly metric: number
}

/** Reads them from /proc/net/route and /proc/net/ipv6_route; none where the system does not say. Routes of `lo` are not among them. */
export const readHostRoutes = (): readonly HostRoute[] =>
  [...linesOf('/proc/net/route').slice(1).map(ipv4Route), ...linesOf('/proc/net/ipv6_route').map(ipv6Route)]
    .flatMap((route) => route ?? [])
    .filter(({ device }) => device !== 'lo')

/** RTF_REJECT (linux/route.h): packets to there are refused. */
const rejects = 0x200

const ipv4Route = (line: string): HostRoute | undefined => {
  const [device, network, , flags, , , metric, mask] = line.trim().split(/\s+/)
  if (device === undefined || network === undefined || mask === undefined) return undefined
  if ((Number.parseInt(flags ?? '', 16) & rejects) !== 0) return undefined
  // In the byte order of this host, which is little-endian on all that Node runs on.
  const bits = Number.parseInt(mask, 16).toString(2)
  const prefixLength = [...bits].filter((bit) => bit === '1').length
  return {
    family: 'ipv4',
    network: addressText(bytesOf(network).reverse()),
    prefixLength,
    device,
    metric: Number(metric),
  }
}

const ipv6Route = (line: string): HostRoute | undefined => {
  const [network, length, , , , metric, , , flags, device] = line.trim().split(/\s+/)
  if (network === undefined || length === undefined || device === undefined) return undefined
  if ((Number.parseInt(flags ?? '', 16) & rejects) !== 0) return undefined
  return {
    family: 'ipv6',
    network: addressText(bytesOf(network)),
    prefixLength: Number.parseInt(length, 16),
    device,
    metric: Number.parseInt(metric ?? '', 16),
  }
}

const bytesOf = (hex: string): number[] => (hex.match(/../g) ?? []).map((byte) => Number.parseInt(byte, 16))

const linesOf = (file: string): readonly string[] => {
  try {
    return readFileSync(file, 'utf8').split('\n').filter(Boolean)
  } catch {
    return []
  }
}
