// Which program listens on a TCP port of this host, as /proc tells.

import { readdirSync, readlinkSync } from 'node:fs'
import { type Endpoint, plainAddress, takesIn } from '../core/endpoint.ts'
import { addressText } from '../core/ip-address.ts'
import { mayBeInThisNetwork, processIds, readProc } from './proc.ts'

/** A listening socket. `process` is null where nobody may look, as for a process with more privileges. */
export type PortHolder = {
  readonly address: string
  readonly process: { readonly pid: number; readonly name: string; readonly title: string } | null
}

const listening = '0A'

/** Who listens where nobody else can listen at `endpoint`: at its address, or at all. */
export const holdersOf = ({ address, port }: Endpoint): readonly PortHolder[] => {
  const sockets = [...socketsIn('net/tcp', port), ...socketsIn('net/tcp6', port)]
  const inTheWay = sockets.filter((one) => takesIn(one.address, address) || takesIn(address, one.address))
  if (inTheWay.length === 0) return []
  const owners = ownersOf(inTheWay.map(({ inode }) => inode))
  return inTheWay.map(({ address: held, inode }) => ({ address: held, process: owners.get(inode) ?? null }))
}

/** The first process of each of these names, if it runs: not in a container with a network of its own, where one may look. */
export const programsNamed = (names: readonly string[]): readonly { readonly name: string; readonly pid: number }[] => {
  const running = processIds().map((pid) => ({ pid, name: readProc(`${pid}/comm`).trim() }))
  return names.flatMap((name) => running.find((one) => one.name === name && mayBeInThisNetwork(one.pid)) ?? [])
}

type ListeningSocket = { readonly address: string; readonly inode: string }

const socketsIn = (table: string, port: number): readonly ListeningSocket[] =>
  readProc(table)
    .split('\n')
    .slice(1)
    .flatMap((line) => {
      const [, local = '', , state, , , , , , inode] = line.trim().split(/\s+/)
      const [host = '', digits = ''] = local.split(':')
      if (state !== listening || inode === undefined || Number.parseInt(digits, 16) !== port) return []
      return [{ address: addressIn(host), inode }]
    })

/** The kernel prints words of 32 bits in the byte order of this host. Who listens at :: takes IPv4 too, as a rule. */
const addressIn = (hex: string): string => {
  const words = (hex.match(/.{8}/g) ?? []).map((word) => Number.parseInt(word, 16))
  return plainAddress(addressText(new Uint8Array(Uint32Array.from(words).buffer)))
}

const ownersOf = (inodes: readonly string[]): ReadonlyMap<string, NonNullable<PortHolder['process']>> => {
  const owners = new Map<string, NonNullable<PortHolder['process']>>()
  for (const pid of processIds()) {
    for (const inode of socketsOf(pid)) {
      if (!inodes.includes(inode) || owners.has(inode)) continue
      const name = readProc(`${pid}/comm`).trim()
      owners.set(inode, { pid, name, title: readProc(`${pid}/cmdline`).split('\0')[0] ?? name })
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
