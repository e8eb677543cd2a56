// Which program listens on a TCP port of this host, as /proc tells.

import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import type { Endpoint } from '../config/values.ts'
import { isUnspecified } from '../core/address-kind.ts'
import { addressText, familyOf } from '../core/ip-address.ts'

/** A listening socket. `process` is null where nobody may look, as for a process with more privileges. */
export type PortHolder = {
  readonly address: string
  readonly process: { readonly pid: number; readonly name: string; readonly title: string } | null
}

const listening = '0A'

/** Who listens where nobody else can listen at `endpoint`: at its address, or at all. */
export const holdersOf = ({ address, port }: Endpoint): readonly PortHolder[] => {
  const sockets = [...socketsIn('/proc/net/tcp', port), ...socketsIn('/proc/net/tcp6', port)]
  const isSame = (one: string): boolean =>
    familyOf(one) === familyOf(address) && (one === address || isUnspecified(one) || isUnspecified(address))
  const inTheWay = sockets.filter((one) => isSame(one.address))
  if (inTheWay.length === 0) return []
  const owners = ownersOf(inTheWay.map(({ inode }) => inode))
  return inTheWay.map(({ address: held, inode }) => ({ address: held, process: owners.get(inode) ?? null }))
}

/** The first process of each of these names, if it runs: not in a container with a network of its own, where one may look. */
export const programsNamed = (names: readonly string[]): readonly { readonly name: string; readonly pid: number }[] => {
  const pids = readdirSync('/proc').map(Number).filter(Number.isInteger)
  const running = pids.map((pid) => ({ pid, name: readOr(`/proc/${pid}/comm`).trim() }))
  const network = networkOf('self')
  const isHere = (pid: number): boolean => [network, undefined].includes(networkOf(pid))
  return names.flatMap((name) => running.find((one) => one.name === name && isHere(one.pid)) ?? [])
}

/** The network namespace of a process; undefined where nobody may look. */
const networkOf = (pid: number | 'self'): string | undefined => {
  try {
    return readlinkSync(`/proc/${pid}/ns/net`)
  } catch {
    return undefined
  }
}

type ListeningSocket = { readonly address: string; readonly inode: string }

const socketsIn = (table: string, port: number): readonly ListeningSocket[] => {
  let text: string
  try {
    text = readFileSync(table, 'utf8')
  } catch {
    return []
  }
  return text
    .split('\n')
    .slice(1)
    .flatMap((line) => {
      const [, local = '', , state, , , , , , inode] = line.trim().split(/\s+/)
      const [host = '', digits = ''] = local.split(':')
      if (state !== listening || inode === undefined || Number.parseInt(digits, 16) !== port) return []
      const bytes = bytesOf(host)
      // One that listens at :: takes IPv4 too, as a rule; what is mapped stands in the last word.
      if (bytes.length > 4 && bytes.every((byte) => byte === 0)) {
        return ['0.0.0.0', '::'].map((address) => ({ address, inode }))
      }
      return [{ address: addressText(host.startsWith('0000000000000000FFFF0000') ? bytes.slice(-4) : bytes), inode }]
    })
}

/** The kernel prints words of four bytes as numbers in the byte order of this host. */
const bytesOf = (hex: string): readonly number[] =>
  (hex.match(/.{8}/g) ?? []).flatMap((word) => [...new Uint8Array(Uint32Array.of(Number.parseInt(word, 16)).buffer)])

const ownersOf = (inodes: readonly string[]): ReadonlyMap<string, NonNullable<PortHolder['process']>> => {
  const owners = new Map<string, NonNullable<PortHolder['process']>>()
  for (const pid of readdirSync('/proc').map(Number).filter(Number.isInteger)) {
    for (const inode of socketsOf(pid)) {
      if (!inodes.includes(inode) || owners.has(inode)) continue
      const name = readOr(`/proc/${pid}/comm`).trim()
      owners.set(inode, { pid, name, title: readOr(`/proc/${pid}/cmdline`).split('\0')[0] ?? name })
    }
  }
  return owners
}

const socketsOf = (pid: number): readonly string[] => {
  try {
    return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
      try {
        return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? []
      } catch {
        return []
      }
    })
  } catch {
    return []
  }
}

const readOr = (file: string): string => {
  try {
    return readFileSync(file, 'latin1')
  } catch {
    return ''
  }
}
