// What systemd's notification socket is told, sd_notify(3), and how often it wants to hear that we still turn.

import { noSignal, openSocket, sendTo, socketTypes } from './socket.ts'
import { domains, unixAddress } from './socket-address.ts'

const microsPerMilli = 1000
let descriptor: number | null = null

/** Tells systemd one message, such as `READY=1`; false where nobody wants to know, or it was not taken. */
export const notifySystemd = (message: string): boolean => {
  const path = process.env['NOTIFY_SOCKET'] ?? ''
  if (path === '') return false
  descriptor ??= openSocket(domains.unix, socketTypes.datagram)
  // Where a busy systemd has no room a message waits, as in sd_notify: none is lost.
  return sendTo(descriptor, Buffer.from(message), unixAddress(path), noSignal)
}

/** Within how many milliseconds the watchdog wants to hear of us; null: there is none. */
export const watchdogMillis = (): number | null => {
  const micros = Number(process.env['WATCHDOG_USEC'] ?? 0)
  return Number.isFinite(micros) && micros > 0 ? micros / microsPerMilli : null
}
