// The routes of this host's main table, at once and without asking anybody.

import { addressText, type Family } from '../core/ip-address.ts'
import { readProc } from './proc.ts'

/** A route: packets to this network leave through `device`, to the router `via` if there is one. The smaller metric of two wins. */
export type HostRoute = {
  readonly family: Family
  readonly network: string
  readonly prefixLength: number
  readonly device: string
  readonly metric: number
  readonly via: string | null
}

/** Reads them from /proc/net/route and /proc/net/ipv6_route; none where the system does not say. Routes of `lo` are not among them. */
export const readHostRoutes = (): readonly HostRoute[] =>
  [...linesOf('net/route').slice(1).map(ipv4Route), ...linesOf('net/ipv6_route').map(ipv6Route)]
    .flatMap((route) => route ?? [])
    .filter(({ device }) => device !== 'lo')

/** RTF_REJECT and RTF_GATEWAY (linux/route.h): packets to there are refused, or given to a router. */
const [rejects, toRouter] = [0x200, 0x2]

const ipv4Route = (line: string): HostRoute | undefined => {
  const [device, network, gateway, flags, , , metric, mask] = line.trim().split(/\s+/)
  if (device === undefined || network === undefined || gateway === undefined || mask === undefined) return undefined
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
    via: isToRouter(flags) ? addressText(bytesOf(gateway).reverse()) : null,
  }
}

const ipv6Route = (line: string): HostRoute | undefined => {
  const [network, length, , , gateway, metric, , , flags, device] = line.trim().split(/\s+/)
  if (network === undefined || length === undefined || gateway === undefined || device === undefined) return undefined
  if ((Number.parseInt(flags ?? '', 16) & rejects) !== 0) return undefined
  return {
    family: 'ipv6',
    network: addressText(bytesOf(network)),
    prefixLength: Number.parseInt(length, 16),
    device,
    metric: Number.parseInt(metric ?? '', 16),
    via: isToRouter(flags) ? addressText(bytesOf(gateway)) : null,
  }
}

const isToRouter = (flags = ''): boolean => (Number.parseInt(flags, 16) & toRouter) !== 0

const bytesOf = (hex: string): number[] => (hex.match(/../g) ?? []).map((byte) => Number.parseInt(byte, 16))

const linesOf = (file: string): readonly string[] => readProc(file).split('\n').filter(Boolean)
