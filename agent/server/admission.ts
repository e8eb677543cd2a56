// Who may connect: the access lists, and how many connections each source and all together may hold.

import { BlockList, isIPv4, type Socket } from 'node:net'
import type { AccessConfig } from '../config/schema.ts'

/** Why a connection is refused. */
export type Refusal = 'not-allowed' | 'too-many-from-source' | 'too-many-connections'

/** The place of one connection among the others of its listener. */
export type Place = {
  /** An answer is being made for it: it does not make room for another one. */
  readonly busy: () => void
  readonly idle: () => void
  /** It makes room when no idle one is left; `leave` is how. */
  readonly watching: (leave: () => void) => void
}

/** The open connections of one listener. */
export type Admission = {
  /** Lets a connection in, idle, or says why not; then the caller ends it. */
  readonly enter: (socket: Socket) => Refusal | null
  /** The place of a connection that was let in, for its TCP socket and for the TLS socket above it alike. */
  readonly placeOf: (socket: Socket) => Place
  readonly isAllowed: (source: string) => boolean
  /** Limits for the connections to come. */
  readonly apply: (access: AccessConfig) => void
}

type Guest = { readonly socket: Socket; readonly source: string }

/**
 * Starts without connections. When all places are taken, the connection that has been idle longest makes room, or else the
 * one that has watched longest, so that clients that only hold connections do not keep a check out.
 */
export const createAdmission = (initial: AccessConfig, onEvicted: (source: string) => void): Admission => {
  let access = initial
  let isAllowed = accessRules(access)
  const perSource = new Map<string, number>()
  const open = new Map<string, Guest>()
  /** In the order in which they became idle. */
  const idle = new Map<string, Guest>()
  /** In the order in which they began to watch. */
  const watching = new Map<string, () => void>()

  const leave = (key: string, source: string): void => {
    open.delete(key)
    idle.delete(key)
    watching.delete(key)
    const left = (perSource.get(source) ?? 1) - 1
    if (left > 0) perSource.set(source, left)
    else perSource.delete(source)
  }
  const makeRoom = (): boolean => {
    const [longest] = idle
    const [watcher] = watching
    const key = longest?.[0] ?? watcher?.[0]
    const guest = key === undefined ? undefined : open.get(key)
    if (key === undefined || guest === undefined) return false
    onEvicted(guest.source)
    const bidGoodbye = watching.get(key)
    idle.delete(key)
    watching.delete(key)
    open.delete(key)
    if (bidGoodbye === undefined) guest.socket.destroy()
    else bidGoodbye()
    return true
  }

  return {
    enter: (socket) => {
      const source = sourceOf(socket.remoteAddress)
      const count = perSource.get(source) ?? 0
      if (!isAllowed(source)) return 'not-allowed'
      if (count >= access.max_connections_per_source) return 'too-many-from-source'
      if (open.size >= access.max_connections && !makeRoom()) return 'too-many-connections'
      const key = keyOf(socket)
      const guest = { socket, source }
      perSource.set(source, count + 1)
      open.set(key, guest)
      idle.set(key, guest)
      socket.once('close', () => leave(key, source))
      return null
    },
    placeOf: (socket) => {
      const key = keyOf(socket)
      return {
        busy: () => void idle.delete(key),
        idle: () => {
          const guest = open.get(key)
          if (guest !== undefined) idle.set(key, guest)
        },
        watching: (leave) => {
          idle.delete(key)
          if (open.has(key)) watching.set(key, leave)
        },
      }
    },
    isAllowed: (source) => isAllowed(source),
    apply: (next) => {
      access = next
      isAllowed = accessRules(next)
    },
  }
}

/** An IPv4 peer of an IPv6 listener, `::ffff:10.0.0.1`, is the IPv4 address it is. */
export const sourceOf = (remoteAddress: string | undefined): string =>
  (remoteAddress ?? '').replace(/^::ffff:(?=\d+\.)/i, '').replace(/%.*$/, '')

/** The same for a TLS socket and for the TCP socket below it. */
const keyOf = ({ remoteAddress, remotePort }: Socket): string => `${remoteAddress} ${remotePort}`

/**
 * The most specific network that holds the source decides (xinetd's only_from and no_access); of two alike, deny does.
 * A source in none is allowed where there is no allow list.
 */
export const accessRules = ({ allow, deny }: Pick<AccessConfig, 'allow' | 'deny'>): ((source: string) => boolean) => {
  const rules = [...deny.map((network) => rule(network, false)), ...allow.map((network) => rule(network, true))].sort(
    (a, b) => b.prefixLength - a.prefixLength,
  )
  return (source) => {
    const family = isIPv4(source) ? 'ipv4' : 'ipv6'
    // A list of IPv6 networks would hold every IPv4 address in ::/0.
    const decisive = rules.find((one) => one.family === family && one.list.check(source, family))
    return decisive?.allows ?? allow.length === 0
  }
}

const rule = ({ address, prefixLength, family }: AccessConfig['allow'][number], allows: boolean) => {
  const list = new BlockList()
  list.addSubnet(address, prefixLength, family)
  return { list, family, prefixLength, allows }
}
