// What the direct datapath has to do with the other balancers: it tells them the sessions that their slots would send elsewhere,
// and takes in what they tell. How they are reached is not known here.

import { performance } from 'node:perf_hooks'
import type { Logger } from 'pino'
import { createBoundedLog } from '../../bounded-log.ts'
import { endpointText } from '../../core/endpoint.ts'
import { addressBytes, familyOf } from '../../core/ip-address.ts'
import { type Millis, millis } from '../../core/time.ts'
import type { ElementToAdd, NftElements } from '../../os/nft-elements.ts'
import type { Outcome } from '../../os/outcome.ts'
import type { BetterKnown, SessionException, SessionOfClient, SessionOver } from '../../pool/core/session-exception.ts'
import type { SlotTable } from '../../pool/core/slot-table.ts'
import { endOfTold, endpointIn, isHeardSince, numberedSlots, type Told, toldException } from './core/exceptions.ts'
import type { Flow, FlowException } from './core/flow-book.ts'
import { flowKey, prefixBytes } from './core/flow-key.ts'
import { mergeTold } from './core/flow-merge.ts'
import { type FlowWatch, flowsMap, prefixSet, type WatchedFlows } from './flow-watch.ts'
import type { RunningListener } from './listener.ts'
import { removeTwins } from './twins.ts'

/** A listener with its slots as they are, and the servers that are configured. */
export type OwnTable = {
  readonly table: SlotTable
  /** Where it is another one: by what sessions that were never seen are found (takeover.ts). */
  readonly established?: SlotTable | undefined
  readonly servers: readonly string[]
}

/** The other balancers, whoever connects to them. `peer` names one. */
export type OtherBalancers = {
  /** Addresses of the others, whose frames are not passed on. */
  readonly addresses: () => readonly string[]
  readonly setOwn: (tables: readonly OwnTable[]) => void
  /** Addresses that VRRP moves and that are here. */
  readonly setHolds: (addresses: readonly string[]) => void
  readonly connected: () => readonly { readonly peer: string; readonly tables: readonly OwnTable[] }[]
  /** Whether all that are configured are connected; false where none is. */
  readonly isComplete: () => boolean
  readonly setExceptions: (peer: string, tables: readonly OwnTable[], exceptions: readonly SessionException[]) => void
  readonly setExposed: (sessions: number) => void
}

/** What goes on between them. */
export type Exchange = {
  /** After a look at all flows: whoever is connected is told. */
  readonly tell: () => void
  /** Takes in what a peer has; the answer is what was heard later here, and goes elsewhere or is over. */
  readonly told: (peer: string, exceptions: readonly SessionException[]) => Promise<BetterKnown>
  /** A session as the last look knows it; `idle` alone where it is over, and null where nothing is known of it any more. */
  readonly find: (session: SessionOfClient) => SessionException | { readonly idle: Millis } | null
  readonly gone: (peer: string, sessions: readonly SessionOver[]) => Promise<void>
  /** Sessions of a bind that were told and not heard of here since then, by the hexadecimal text of their keys. */
  readonly onlyTold: (bind: string) => ReadonlySet<string>
  /** Sessions of a listener that are not where its own slots would send them, by the last look. */
  readonly exceptionsOf: (listener: string) => number | null
}

export type ExchangeOptions = {
  readonly others: OtherBalancers
  readonly flows: FlowWatch
  readonly elements: Pick<NftElements, 'add' | 'remove' | 'put' | 'dump'>
  readonly listenerAt: (bind: string) => RunningListener | undefined
  /** Whether an address that moves is on another host. */
  readonly isElsewhere: (address: string) => boolean
  readonly log: Logger
}

/** So long a prefix of IPv6 clients is remembered, in milliseconds: the rules say the same. */
const prefixTimeout = 7 * 24 * 3600 * 1000

/**
 * Sessions that have lived so long are told wherever the slots would send them, in milliseconds. One that is silent while another
 * balancer takes over is known to nobody else, and slots change: an hour later its next packet would go to another server, and if its
 * server dies it could not be told. Short connections, which are the most, are none of these.
 */
const settledMillis = 1000

/** Nobody has been told, or has told anything. */
export const openExchange = ({ others, flows, elements, listenerAt, isElsewhere, log }: ExchangeOptions): Exchange => {
  const bounded = createBoundedLog(log)
  /** What others told, by bind and client, until it is over. */
  const taken = new Map<string, Map<string, Told>>()
  let counts: ReadonlyMap<string, number> = new Map()

  const within = <K, V>(map: Map<K, V>, key: K, make: () => V): V => {
    const value = map.get(key) ?? make()
    map.set(key, value)
    return value
  }
  /** The sessions of a bind that these slots would send elsewhere, or to a server that `numberOf` does not know. */
  const exceptionsOf = (
    one: WatchedFlows,
    tables: readonly SlotTable[],
    numberOf: RunningListener['numberNamed'],
    allBegunBy?: number,
  ): readonly FlowException[] => {
    const slots = tables
      // Without a server a balancer stands back, and will have others soon.
      .filter(({ targets }) => targets.length > 0)
      .map((table) => numberedSlots(table, numberOf))
    return slots.length === 0 ? [] : one.book.exceptionsAgainst(slots, millis(performance.now()), allBegunBy)
  }
  const named = (
    one: WatchedFlows,
    listener: RunningListener,
    found: readonly FlowException[],
  ): readonly SessionException[] => {
    const place = { listener: listener.config().name, bind: endpointText(one.bind) }
    return found.flatMap((exception) =>
      flows.clientsOf(exception.key).flatMap((client) => {
        return toldException(exception, { ...place, client: endpointText(client) }, listener.serverOf) ?? []
      }),
    )
  }
  const withListener = (): readonly { readonly one: WatchedFlows; readonly listener: RunningListener }[] =>
    flows.all().flatMap((one) => {
      const listener = listenerAt(endpointText(one.bind))
      return listener === undefined ? [] : [{ one, listener }]
    })
  const find: Exchange['find'] = ({ listener: name, bind, client }) => {
    const [one, listener, key] = [flows.at(bind), listenerAt(bind), keyOf(client)]
    if (one === undefined || key === null || listener?.config().name !== name) return null
    const flow = one.book.find(key)
    const left = flow === null ? 0 : Math.min(one.bind.idle, flow.expiresAt - performance.now())
    if (flow?.state === 'closing' || flow?.state === 'ended') return { idle: idleOf(flow) }
    if (flow?.state !== 'live' || left <= 0) return null
    const session = { number: flow.number, idle: millis(one.bind.idle - left), timeout: one.bind.idle }
    return toldException(session, { listener: name, bind, client }, listener.serverOf)
  }
  const tell = (): void => {
    forget()
    const all = withListener()
    const next = new Map<string, number>()
    for (const { one, listener } of all) {
      const name = listener.config().name
      next.set(name, (next.get(name) ?? 0) + exceptionsOf(one, [listener.table()], listener.numberNamed).length)
    }
    counts = next
    others.setExposed([...counts.values()].reduce((sum, count) => sum + count, 0))
    for (const { peer, tables } of others.connected()) {
      const exceptions = all.flatMap(({ one, listener }) => {
        const theirs = tables.find(({ table }) => table.listener === listener.config().name)
        if (theirs === undefined) return []
        // A server on this host dies with it, and nobody else could tell its clients: those are told of, wherever they would go.
        const numberOf = (server: string) => (listener.isHere(server) ? undefined : listener.numberNamed(server))
        // Whoever has the address now will hear how those end that are young.
        const settled = performance.now() - (isElsewhere(one.bind.address) ? 0 : settledMillis)
        // The router before several balancers may send it any session at any time.
        const slots = [
          listener.table(),
          theirs.table,
          ...(theirs.established === undefined ? [] : [theirs.established]),
        ]
        const found = exceptionsOf(one, slots, numberOf, settled)
        return named(one, listener, found)
      })
      others.setExceptions(peer, tables, exceptions)
    }
  }
  const forget = (): void => {
    const now = performance.now()
    for (const told of taken.values()) for (const [client, { until }] of told) if (until < now) told.delete(client)
  }

  const takeIn = async (one: WatchedFlows, peer: string, told: readonly SessionException[]): Promise<BetterKnown> => {
    const bind = endpointText(one.bind)
    const listener = listenerAt(bind)
    if (listener === undefined) return nothingBetter
    const now = millis(performance.now())
    const additions: ElementToAdd[] = []
    const replacements: ElementToAdd[] = []
    /** Those of them that were something else. */
    const changed: ElementToAdd[] = []
    const wrong: SessionOfClient[] = []
    const over: SessionOver[] = []
    const prefixes = new Map<string, ElementToAdd>()
    const records = within(taken, bind, () => new Map<string, Told>())
    for (const { client, server, idle, timeout } of told) {
      const [key, number] = [keyOf(client), listener.numberNamed(server)]
      if (key === null || number === undefined) {
        bounded(
          'warn',
          'unknown-server',
          { peer, listener: listener.config().name, server },
          `${peer} tells of sessions on ${listener.config().name}/${server}, which is not configured here`,
        )
        continue
      }
      const own = one.book.find(key)
      const merge = mergeTold(own, { number, idle, timeout }, now)
      if (merge.kind === 'keep-own') {
        const session = { listener: listener.config().name, bind, client }
        if (merge.knows === 'another-server') wrong.push(session)
        else if (merge.knows === 'it-is-over') over.push({ ...session, idle: own === null ? null : idleOf(own) })
        continue
      }
      records.set(client, { number, until: endOfTold(now, idle, timeout) })
      const element = { key, value: number, timeout: merge.timeout, expires: merge.expires }
      if (merge.kind === 'add') additions.push(element)
      else replacements.push(element)
      if (own !== null && (own.number !== number || own.state !== 'live')) changed.push(element)
      const prefix = prefixOf(client)
      if (prefix !== null) prefixes.set(hexOf(prefix.key), prefix)
    }
    const map = flowsMap(one.bind)
    const added = await elements.add(map, additions)
    const put = await elements.put(map, replacements)
    const prefixed = await elements.put(prefixSet, [...prefixes.values()])
    const checked = await removeTwins(elements, map, changed)
    for (const outcome of [added, put, prefixed, checked]) {
      if (outcome.ok) continue
      bounded('warn', 'not-taken', { peer }, `What ${peer} tells of sessions was not taken in: ${outcome.text}`)
    }
    remember(one, additions, added)
    remember(one, replacements, put)
    const better = wrong.flatMap((session) => {
      const known = find(session)
      return known !== null && 'server' in known ? [known] : []
    })
    return { better, over }
  }
  /** Until the next look what was written is not known otherwise, and that may lack some. */
  const remember = (
    { book }: WatchedFlows,
    written: readonly ElementToAdd[],
    outcome: Outcome<readonly boolean[]>,
  ): void => {
    if (!outcome.ok) return
    const at = performance.now()
    for (const [i, { key, value, expires }] of written.entries()) {
      if (outcome.value[i]) book.see({ buffer: key, keyAt: 0, value, expires }, at)
    }
  }
  const byBind = <T extends { readonly bind: string }>(all: readonly T[]): ReadonlyMap<string, readonly T[]> => {
    const groups = new Map<string, T[]>()
    for (const one of all) within(groups, one.bind, () => []).push(one)
    return groups
  }
  return {
    tell,
    told: async (peer, exceptions) => {
      const answers: BetterKnown[] = []
      for (const [bind, told] of byBind(exceptions)) {
        const one = flows.at(bind)
        if (one !== undefined) answers.push(await takeIn(one, peer, told))
      }
      return { better: answers.flatMap(({ better }) => better), over: answers.flatMap(({ over }) => over) }
    },
    find,
    gone: async (_, sessions) => {
      const now = performance.now()
      for (const [bind, all] of byBind(sessions)) {
        const [one, records] = [flows.at(bind), taken.get(bind)]
        if (one === undefined) continue
        // What is known may be older than what was told.
        await flows.look(bind)
        const keys = all.flatMap(({ client, idle }) => {
          const [key, told] = [keyOf(client), records?.get(client)]
          records?.delete(client)
          const flow = key === null ? null : one.book.find(key)
          if (key === null || flow === null) return []
          const isUntouched = told !== undefined && !isHeardSince(flow, told)
          // It began here, and its client said goodbye there.
          const isClosed = idle !== null && flow.state === 'live' && flow.heardAt < now - idle
          return isUntouched || isClosed ? [key] : []
        })
        await elements.remove(flowsMap(one.bind), keys)
      }
    },
    onlyTold: (bind) => {
      const one = flows.at(bind)
      const found = new Set<string>()
      for (const [client, told] of taken.get(bind) ?? []) {
        const key = keyOf(client)
        const flow = key === null ? undefined : one?.book.find(key)
        if (key !== null && flow != null && !isHeardSince(flow, told)) found.add(hexOf(key))
      }
      return found
    },
    exceptionsOf: (listener) => counts.get(listener) ?? null,
  }
}

const nothingBetter: BetterKnown = { better: [], over: [] }

/** How long ago the last packet of a flow came. */
const idleOf = ({ heardAt }: Flow): Millis => millis(Math.max(0, performance.now() - heardAt))

/** A key as text. */
export const hexOf = (key: Uint8Array): string => Buffer.from(key).toString('hex')

const keyOf = (client: string): Uint8Array | null => {
  const endpoint = endpointIn(client)
  return endpoint === null ? null : flowKey(endpoint)
}

/** The first four bytes of an IPv6 client, which the key of its session leaves out. */
const prefixOf = (client: string): ElementToAdd | null => {
  const { address } = endpointIn(client) ?? {}
  if (address === undefined || familyOf(address) !== 'ipv6') return null
  const key = new Uint8Array(16)
  key.set(addressBytes(address).slice(0, prefixBytes))
  return { key, value: 0, timeout: prefixTimeout, expires: prefixTimeout }
}
