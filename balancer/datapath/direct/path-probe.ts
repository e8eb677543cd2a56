// Tries the ways to servers: all the way to the server's kernel and back, without the server program hearing of it.

import { randomInt } from 'node:crypto'
import { setTimeout as wait } from 'node:timers/promises'
import type { Endpoint } from '../../core/endpoint.ts'
import { macBytes } from '../../os/neighbour-message.ts'
import type { Outcome } from '../../os/outcome.ts'
import { interfaceIndexOf, openPacketSocket, type PacketSocket } from '../../os/packet-socket.ts'
import { tcpPortFilter } from '../../os/tcp-port-filter.ts'
import { readFrame } from '../core/tcp-packet.ts'
import {
  askingFrame,
  firstProbePort,
  lastProbePort,
  type Probe,
  type ProbeResult,
  resultIn,
  takingBackFrame,
} from './core/path-probe.ts'
import type { SegmentEnds } from './segment.ts'

/** A server as clients of a bind reach it. */
export type ProbeTarget = { readonly bind: Endpoint; readonly ends: SegmentEnds }

/** How often a probe is sent that nobody answers, and how long each waits: a client's kernel asks again after a second, too. */
const [tries, patience] = [3, 1000]
const lookInterval = 10
/** So many at once: each is a frame, and two where it is answered. */
const atOnce = 64
const sequences = 2 ** 32

type Running = { readonly probe: Probe; readonly interfaceIndex: number; result: ProbeResult | null }

/**
 * Tries all targets, and gives what came of each in their order; it takes three seconds where one stays silent. A refusal: this process
 * may not, or an interface is gone.
 */
export const probeServers = async (targets: readonly ProbeTarget[]): Promise<Outcome<readonly ProbeResult[]>> => {
  const opened = openPacketSocket(tcpPortFilter(firstProbePort))
  if (!opened.ok) return opened
  const socket = opened.value
  const macs = [...new Set(targets.map(({ ends }) => ends.server))].map(macBytes)
  try {
    const results: ProbeResult[] = []
    for (let at = 0; at < targets.length; at += atOnce) {
      const some = await probeSome(socket, targets.slice(at, at + atOnce), macs)
      if (!some.ok) return some
      results.push(...some.value)
    }
    return { ok: true, value: results }
  } finally {
    socket.close()
  }
}

const probeSome = async (
  socket: PacketSocket,
  targets: readonly ProbeTarget[],
  macs: readonly Uint8Array[],
): Promise<Outcome<readonly ProbeResult[]>> => {
  const running: Running[] = []
  // Neighbouring ports, which differ also among those that are still on their way from the last run.
  const firstPort = randomInt(firstProbePort, lastProbePort - atOnce)
  for (const [i, { bind, ends }] of targets.entries()) {
    const index = interfaceIndexOf(ends.device)
    if (!index.ok) return index
    const probe: Probe = {
      bind,
      server: { mac: macBytes(ends.server) },
      own: { mac: macBytes(ends.own.mac), address: ends.own.address, port: firstPort + i },
      sequence: randomInt(sequences),
    }
    running.push({ probe, interfaceIndex: index.value, result: null })
  }
  const open = (): readonly Running[] => running.filter(({ result }) => result === null)
  for (let i = 0; i < tries && open().length > 0; i += 1) {
    for (const { probe, interfaceIndex } of open()) {
      const sent = socket.send(interfaceIndex, askingFrame(probe))
      if (!sent.ok) return sent
    }
    for (const until = performance.now() + patience; performance.now() < until && open().length > 0; ) {
      await wait(lookInterval)
      hear(socket, running, macs)
    }
  }
  return { ok: true, value: running.map(({ result }) => result ?? 'silent') }
}

const hear = (socket: PacketSocket, running: readonly Running[], macs: readonly Uint8Array[]): void => {
  for (const bytes of socket.receive()) {
    const frame = readFrame(bytes)
    if (frame === null) continue
    for (const one of running) {
      const result = resultIn(frame, one.probe, macs)
      if (result === null) continue
      one.result = result
      // A refusal of this one leaves the server waiting for nobody, which it gives up after a while.
      if (result === 'answers') socket.send(one.interfaceIndex, takingBackFrame(one.probe))
    }
  }
}
