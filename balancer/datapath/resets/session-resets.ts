// Wakes up those who wait for an answer in a session that has been ended here: see core/forged-syn.ts.

import { randomInt } from 'node:crypto'
import { addressText, type Family } from '../../core/ip-address.ts'
import type { Outcome } from '../../os/outcome.ts'
import { interfaceIndexOf, openPacketSocket, type PacketSocket } from '../../os/packet-socket.ts'
import { type ForgingSocket, openForgingSocket } from '../../os/raw-socket.ts'
import { frameOf } from '../core/tcp-packet.ts'
import { type ForgedSyn, forgedMark, forgedSyn, type Link } from './core/forged-syn.ts'
import { createResetQueue, type EndedFlow, type ResetPace } from './core/reset-queue.ts'

/** Resets of ended sessions, at a bounded rate. */
export type SessionResets = {
  readonly add: (flow: EndedFlow) => void
  readonly cancel: (key: Uint8Array) => void
  /** See core/reset-queue.ts. */
  readonly hold: (address: Uint8Array) => void
  readonly release: (address: Uint8Array) => void
  readonly forget: (address: Uint8Array) => void
  /** Resolves when nobody waits to be told. */
  readonly sent: () => Promise<void>
  readonly close: () => void
}

/** Packets a second; and a packet that was lost is sent again, after the half second in which Linux answers no second one. */
export const usualPace: ResetPace = { rate: 1000, serverAfter: 0, repeatAfter: 700 }
const interval = 10
const noMark = 0
const largest = 2 ** 32

/** Opens the sockets; needs the capabilities net_raw and net_admin. `onFailure` hears of a packet that could not be sent. */
export const openSessionResets = (pace: ResetPace, onFailure: (text: string) => void): Outcome<SessionResets> => {
  const queue = createResetQueue(pace)
  const sockets = new Map<string, ForgingSocket>()
  let frames: PacketSocket | undefined
  const close = (): void => {
    clearInterval(timer)
    for (const socket of sockets.values()) socket.close()
    frames?.close()
  }
  let timer: NodeJS.Timeout | undefined
  const waiting: (() => void)[] = []
  /** One of IPv6 only where it is wanted: the kernel may have none. */
  const socketOf = (family: Family, mark: number): Outcome<ForgingSocket> => {
    const key = `${family} ${mark}`
    const open = sockets.get(key)
    if (open !== undefined) return { ok: true, value: open }
    const opened = openForgingSocket(family, mark)
    if (opened.ok) sockets.set(key, opened.value)
    return opened
  }
  const sendFrame = (packet: Uint8Array, link: Link): Outcome => {
    const index = interfaceIndexOf(link.device)
    if (!index.ok) return index
    if (frames === undefined) {
      const opened = openPacketSocket()
      if (!opened.ok) return opened
      frames = opened.value
    }
    return frames.send(index.value, frameOf(packet, link))
  }
  const sendOne = (syn: ForgedSyn): Outcome => {
    const packet = forgedSyn(syn, randomInt(largest))
    if (syn.link !== undefined) return sendFrame(packet, syn.link)
    const socket = socketOf(syn.source.length === 4 ? 'ipv4' : 'ipv6', syn.isTracked ? noMark : forgedMark)
    return socket.ok ? socket.value.send(packet, addressText(syn.destination)) : socket
  }
  const send = (): void => {
    for (const syn of queue.take(performance.now())) {
      const sent = sendOne(syn)
      if (!sent.ok) onFailure(sent.text)
    }
    if (!queue.isEmpty()) return
    clearInterval(timer)
    timer = undefined
    for (const resolve of waiting.splice(0)) resolve()
  }
  const sent = (): Promise<void> =>
    timer === undefined ? Promise.resolve() : new Promise((resolve) => waiting.push(resolve))
  const opened = socketOf('ipv4', forgedMark)
  if (!opened.ok) return opened
  const add: SessionResets['add'] = (flow) => {
    queue.add(flow)
    timer ??= setInterval(send, interval)
  }
  const { cancel, hold, release, forget } = queue
  return { ok: true, value: { add, cancel, hold, release, forget, sent, close } }
}
