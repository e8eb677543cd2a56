// Balancers in virtual time that tell each other exceptions by the real core, over a network that cuts and delays; and clients
// whose sessions are lost when a packet is sent to a server that does not know them.

import { type Millis, millis } from '../../../../balancer/core/time.ts'
import { lineOf, type PeerMessage, type PeerTable, parseLine } from '../../../../balancer/peers/core/messages.ts'
import {
  initialPeer,
  nextDeadline,
  type PeerEffect,
  type PeerEvent,
  type PeerState,
  step,
} from '../../../../balancer/peers/core/peer.ts'
import { createToldBook, type ToldBook } from '../../../../balancer/peers/core/told-book.ts'
import type { SessionException } from '../../../../balancer/pool/core/session-exception.ts'
import { bind, table } from './exceptions.ts'

export const timeout = 120_000
const tick = 20
const lookInterval = 1000

type Flow = { server: string; heardAt: number; taken: boolean }
type Wire = { readonly ends: readonly [End, End] }
type End = { readonly node: number; readonly to: number; link: number }
type InFlight = { readonly at: number; readonly wire: Wire; readonly from: 0 | 1; readonly line: string | null }
type Peer = {
  state: PeerState
  book: ToldBook | null
  tables: readonly PeerTable[] | null
  readonly wires: Map<number, { readonly wire: Wire; readonly side: 0 | 1 }>
}
/** `established`: the slots when it took over, by which packets of sessions go that it has never seen. */
type Node = {
  targets: readonly string[]
  established: readonly string[]
  readonly flows: Map<string, Flow>
  peers: Map<number, Peer>
  isUp: boolean
}

/** A server of a client: any function of both that all balancers compute alike. */
export const slotOf = (targets: readonly string[], client: string): string => {
  const [, port = '0'] = client.split(':')
  return targets[Number(port) % targets.length] ?? 'db1'
}

export type Balancers = {
  readonly now: () => number
  readonly run: (duration: number) => void
  readonly setTargets: (node: number, targets: readonly string[]) => void
  /** No packet passes between the two any more, or again. Nobody is told. */
  readonly cut: (one: number, other: number, isCut: boolean) => void
  /** The process dies and its connections with it; the flows stay in the kernel. */
  readonly kill: (node: number) => void
  readonly start: (node: number) => void
  /** The address comes to it. */
  readonly takeOver: (node: number) => void
  /** A client's SYN reaches a balancer; the server that it is sent to. */
  readonly begin: (node: number, client: string) => string
  /** A packet of a session reaches a balancer; the server that it is sent to. */
  readonly send: (node: number, client: string) => string
  readonly flowsOf: (node: number) => ReadonlyMap<string, Flow>
  readonly connected: (node: number) => number
  /** Connections that count, of each node to another. */
  readonly currents: () => readonly (readonly [number, number, Wire | undefined])[]
  readonly said: () => number
}

/** `count` balancers that know each other. `random` is from 0 to 1. */
export const startBalancers = (count: number, random: () => number): Balancers => {
  let now = 0
  let said = 0
  let lastInstance = 0
  let lastLink = 0
  const cuts = new Set<string>()
  const pair = (one: number, other: number): string => [one, other].sort().join('-')
  const isCut = (one: number, other: number): boolean => cuts.has(pair(one, other))
  let flight: InFlight[] = []
  let attempts: { readonly at: number; readonly node: number; readonly to: number }[] = []
  const nodes: Node[] = Array.from({ length: count }, () => ({
    ...{ targets: ['db1', 'db2'], established: ['db1', 'db2'], flows: new Map(), peers: new Map(), isUp: false },
  }))
  const own = (targets: readonly string[]): readonly PeerTable[] => [table('mysql', targets)]
  const delay = (): number => 1 + Math.floor(random() * 60)
  const nodeOf = (i: number): Node => {
    const node = nodes[i]
    if (node === undefined) throw new Error(`no node ${i}`)
    return node
  }

  const post = (wire: Wire, from: 0 | 1, line: string | null): void => {
    // What is sent on one connection arrives in its order.
    const after = flight.filter((one) => one.wire === wire && one.from === from).map(({ at }) => at)
    flight.push({ at: Math.max(now + delay(), ...after), wire, from, line })
  }
  const dispatch = (i: number, to: number, event: PeerEvent): void => {
    const peer = nodeOf(i).peers.get(to)
    if (peer === undefined) return
    const [state, effects] = step(peer.state, event)
    peer.state = state
    for (const effect of effects) carryOut(i, to, peer, effect)
  }
  const carryOut = (i: number, to: number, peer: Peer, effect: PeerEffect): void => {
    switch (effect.do) {
      case 'connect':
        attempts.push({ at: now + delay(), node: i, to })
        return
      case 'abandon-attempt':
        attempts = attempts.filter((one) => one.node !== i || one.to !== to)
        return
      case 'send': {
        const end = peer.wires.get(effect.link)
        if (end !== undefined) post(end.wire, end.side, lineOf(effect.message))
        return
      }
      case 'close': {
        const end = peer.wires.get(effect.link)
        peer.wires.delete(effect.link)
        if (end === undefined) return
        post(end.wire, end.side, lineOf({ type: 'bye', why: effect.why }))
        post(end.wire, end.side, null)
        return
      }
      case 'up':
        peer.book = createToldBook(({ client }) => find(nodeOf(i), client))
        peer.tables = null
        return
      case 'tables':
        peer.tables = effect.tables
        return
      case 'down':
        peer.book = null
        peer.tables = null
        return
      case 'pass-on':
        hear(nodeOf(i), peer, effect.message)
        return
      case 'holds':
      case 'trouble':
      case 'count-unexpected':
        return
      default:
        effect satisfies never
    }
  }
  const hear = (node: Node, { book }: Peer, message: PeerMessage): void => {
    if (message.type === 'told') {
      const told: SessionException[] = message.sessions.map(([client, server, idle, lasts]) => ({
        ...{ listener: 'mysql', bind, client, server, idle, timeout: lasts },
      }))
      book?.hasTold(told, millis(now))
      const better = told.flatMap((one) => {
        const flow = node.flows.get(one.client)
        if (flow === undefined || flow.heardAt < now - one.idle) {
          node.flows.set(one.client, { server: one.server, heardAt: now - one.idle, taken: true })
          return []
        }
        return flow.server === one.server || flow.heardAt === now - one.idle ? [] : [asException(one.client, flow)]
      })
      book?.correct(better, millis(now))
    } else if (message.type === 'gone') {
      book?.hasNot(message.clients.map((client) => ({ listener: 'mysql', bind, client })))
      for (const client of message.clients) if (node.flows.get(client)?.taken === true) node.flows.delete(client)
    }
  }
  const find = ({ flows }: Node, client: string): SessionException | null => {
    const flow = flows.get(client)
    return flow === undefined || flow.heardAt + timeout <= now ? null : asException(client, flow)
  }
  const asException = (client: string, flow: Flow): SessionException => ({
    ...{ listener: 'mysql', bind, client, server: flow.server },
    ...{ idle: millis(now - flow.heardAt), timeout: millis(timeout) },
  })
  const connect = ({ node: i, to }: { readonly node: number; readonly to: number }): void => {
    if (isCut(i, to)) return
    const other = nodeOf(to).peers.get(i)
    if (!nodeOf(to).isUp || other === undefined) {
      dispatch(i, to, { type: 'attempt-failed', now: millis(now), why: 'refused', random: random() })
      return
    }
    const mine = nodeOf(i).peers.get(to)
    lastLink += 2
    const [out, into] = [lastLink - 1, lastLink]
    const wire: Wire = {
      ends: [
        { node: i, to, link: out },
        { node: to, to: i, link: into },
      ],
    }
    mine?.wires.set(out, { wire, side: 0 })
    other.wires.set(into, { wire, side: 1 })
    dispatch(i, to, { type: 'connected', now: millis(now), link: out, direction: 'out' })
    dispatch(to, i, { type: 'connected', now: millis(now), link: into, direction: 'in' })
  }
  const arrive = ({ wire, from, line }: InFlight): void => {
    const { node, to, link } = wire.ends[from === 0 ? 1 : 0]
    if (nodeOf(node).peers.get(to)?.wires.has(link) !== true) return
    if (line === null) {
      nodeOf(node).peers.get(to)?.wires.delete(link)
      dispatch(node, to, { type: 'closed', now: millis(now), link, why: 'it closed the connection', random: random() })
      return
    }
    const parsed = parseLine(line)
    if (!parsed.ok) throw new Error(`${parsed.reason}: ${line}`)
    dispatch(node, to, { type: 'message-received', now: millis(now), link, message: parsed.message, random: random() })
  }
  const look = (node: Node): void => {
    for (const [client, flow] of node.flows) if (flow.heardAt + timeout <= now) node.flows.delete(client)
    for (const { book, tables } of node.peers.values()) {
      if (book === null || tables === null) continue
      const theirs = tables[0]?.table.targets.map(({ server }) => server) ?? []
      const matters = ([client, { server }]: readonly [string, Flow]): boolean =>
        server !== slotOf(node.targets, client) || server !== slotOf(theirs, client)
      book.offer(
        [...node.flows].filter(matters).map(([client, flow]) => asException(client, flow)),
        millis(now),
      )
    }
  }
  const pump = (peer: Peer): void => {
    const end = peer.state.current === null ? undefined : peer.wires.get(peer.state.current)
    if (end === undefined || peer.book === null) return
    for (let turn = 0; turn < 5; turn += 1) {
      const { message } = peer.book.next(millis(now), 50)
      if (message === null) continue
      said += 1
      post(end.wire, end.side, lineOf(message))
    }
  }
  const turn = (): void => {
    // TCP sends again what did not arrive.
    const isDue = ({ at, wire }: InFlight): boolean => at <= now && !isCut(wire.ends[0].node, wire.ends[1].node)
    const due = flight.filter(isDue).sort((one, other) => one.at - other.at)
    flight = flight.filter((one) => !isDue(one))
    due.forEach(arrive)
    const ready = attempts.filter(({ at }) => at <= now)
    attempts = attempts.filter(({ at }) => at > now)
    ready.forEach(connect)
    for (const [i, node] of nodes.entries()) {
      if (!node.isUp) continue
      if ((now + i * 300) % lookInterval < tick) look(node)
      for (const [to, peer] of node.peers) {
        const at: Millis | null = nextDeadline(peer.state)
        if (at !== null && at <= now) dispatch(i, to, { type: 'deadline-reached', now: millis(now), random: random() })
        pump(peer)
      }
    }
  }
  const start = (i: number): void => {
    const node = nodeOf(i)
    lastInstance += 1
    const self = { routerId: `lb${i}`, instance: `${lastInstance}`.padStart(16, '0') }
    node.isUp = true
    node.peers = new Map(
      nodes.flatMap((_, to): (readonly [number, Peer])[] =>
        to === i
          ? []
          : [
              [
                to,
                {
                  state: initialPeer(self, own(node.targets), millis(now)),
                  book: null,
                  tables: null,
                  wires: new Map(),
                },
              ],
            ],
      ),
    )
  }
  for (const i of nodes.keys()) start(i)

  return {
    now: () => now,
    run: (duration) => {
      for (const until = now + duration; now < until; now += tick) turn()
    },
    setTargets: (i, targets) => {
      const node = nodeOf(i)
      node.targets = targets
      for (const to of node.peers.keys()) {
        dispatch(i, to, { type: 'own-tables-changed', now: millis(now), own: own(targets) })
      }
    },
    cut: (one, other, isNow) => void (isNow ? cuts.add(pair(one, other)) : cuts.delete(pair(one, other))),
    kill: (i) => {
      const node = nodeOf(i)
      node.isUp = false
      for (const { wires } of node.peers.values()) for (const { wire, side } of wires.values()) post(wire, side, null)
      node.peers = new Map()
      attempts = attempts.filter((one) => one.node !== i)
    },
    start,
    takeOver: (i) => {
      nodeOf(i).established = nodeOf(i).targets
    },
    begin: (i, client) => {
      const node = nodeOf(i)
      const server = slotOf(node.targets, client)
      node.flows.set(client, { server, heardAt: now, taken: false })
      return server
    },
    send: (i, client) => {
      const node = nodeOf(i)
      const flow = node.flows.get(client)
      const known = flow !== undefined && flow.heardAt + timeout > now
      const server = known ? flow.server : slotOf(node.established, client)
      node.flows.set(client, { server, heardAt: now, taken: false })
      return server
    },
    flowsOf: (i) => nodeOf(i).flows,
    connected: (i) => [...nodeOf(i).peers.values()].filter(({ book }) => book !== null).length,
    currents: () =>
      nodes.flatMap((node, i) =>
        [...node.peers].map(
          ([to, { state, wires }]) =>
            [i, to, state.current === null ? undefined : wires.get(state.current)?.wire] as const,
        ),
      ),
    said: () => said,
  }
}
