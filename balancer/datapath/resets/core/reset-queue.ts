// Who is to be woken up when sessions have been ended, and when: so many in a second, clients before servers, and each
// once more in case the packet was lost. PURE, but changed in place.

import type { ForgedSyn } from './forged-syn.ts'

/**
 * An ended session: what its client and its server have to hear, null where no way leads to the server. `key` tells it from all
 * others: the client's flow.
 */
export type EndedFlow = { readonly key: Uint8Array; readonly toClient: ForgedSyn; readonly toServer: ForgedSyn | null }

/** The queue. Moments are milliseconds of one clock. */
export type ResetQueue = {
  readonly add: (flow: EndedFlow) => void
  /** Somebody has begun a session with this flow: it must not be disturbed. */
  readonly cancel: (key: Uint8Array) => void
  /**
   * This address is on no host now: who is told of a session through it would answer nobody. They wait until `release`, and are told
   * from the beginning then.
   */
  readonly hold: (address: Uint8Array) => void
  readonly release: (address: Uint8Array) => void
  /** Sessions through this address are another host's now: nobody is told of them, nor again. */
  readonly forget: (address: Uint8Array) => void
  /** What is to be sent now. */
  readonly take: (at: number) => readonly ForgedSyn[]
  readonly isEmpty: () => boolean
}

/**
 * Packets a second, how long after its client a server is told, and how long after that both are told again. A server that
 * answers its client directly must not be told before that one's session is over.
 */
export type ResetPace = { readonly rate: number; readonly serverAfter: number; readonly repeatAfter: number }

type Waiting = { readonly flow: EndedFlow; readonly round: number; due: number }

/** Packets beyond what the time allows: as many as fit into this much of it. */
const burstMillis = 20
/** To the client, to the server, and both again. */
const rounds: readonly ('toClient' | 'toServer')[] = ['toClient', 'toServer', 'toClient', 'toServer']

/** Makes an empty queue. */
export const createResetQueue = ({ rate, serverAfter, repeatAfter }: ResetPace): ResetQueue => {
  const lines: Waiting[][] = rounds.map(() => [])
  const pauses = [0, serverAfter, repeatAfter, serverAfter]
  const heads = rounds.map(() => 0)
  /** Those that still wait, by flow: a cancelled one is not among them. */
  const waiting = new Map<string, EndedFlow>()
  /** Those that wait for their address, by address. */
  const held = new Map<string, EndedFlow[]>()
  let allowance = 0
  let last = Number.NEGATIVE_INFINITY

  const next = (at: number): Waiting | undefined => {
    for (let round = 0; round < rounds.length; round += 1) {
      const line = lines[round] ?? []
      const first = line[heads[round] ?? 0]
      if (first === undefined || first.due > at) continue
      heads[round] = (heads[round] ?? 0) + 1
      if (heads[round] === line.length) {
        line.length = 0
        heads[round] = 0
      }
      return first
    }
    return undefined
  }
  const begin = (flow: EndedFlow): void => {
    lines[0]?.push({ flow, round: 0, due: Number.NEGATIVE_INFINITY })
  }
  return {
    add: (flow) => {
      waiting.set(textOf(flow.key), flow)
      begin(flow)
    },
    cancel: (key) => {
      if (waiting.size > 0) waiting.delete(textOf(key))
    },
    hold: (address) => {
      const key = textOf(address)
      held.set(key, held.get(key) ?? [])
    },
    release: (address) => {
      const key = textOf(address)
      const flows = held.get(key) ?? []
      held.delete(key)
      for (const flow of flows) begin(flow)
    },
    forget: (address) => {
      const key = textOf(address)
      if (held.has(key)) held.set(key, [])
      for (const [flowKey, { toClient }] of waiting) if (textOf(toClient.source) === key) waiting.delete(flowKey)
    },
    take: (at) => {
      const most = Math.max(1, (rate * burstMillis) / 1000)
      allowance = Math.min(most, allowance + ((at - last) * rate) / 1000)
      last = at
      const packets: ForgedSyn[] = []
      while (allowance >= 1) {
        const one = next(at)
        if (one === undefined) break
        const { flow, round } = one
        if (waiting.get(textOf(flow.key)) !== flow) continue
        const others = held.get(textOf(flow.toClient.source))
        if (others !== undefined) {
          others.push(flow)
          continue
        }
        const packet = flow[rounds[round] ?? 'toClient']
        if (packet !== null) {
          allowance -= 1
          packets.push(packet)
        }
        const line = lines[round + 1]
        if (line === undefined) waiting.delete(textOf(flow.key))
        else line.push({ flow, round: round + 1, due: at + (pauses[round + 1] ?? 0) })
      }
      return packets
    },
    isEmpty: () => waiting.size === 0,
  }
}

const textOf = (key: Uint8Array): string => Buffer.from(key).toString('latin1')
