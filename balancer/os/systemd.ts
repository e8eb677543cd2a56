// What systemd's notification socket is told, sd_notify(3), and how often it wants to hear that we still turn.

import { callSendTo, callSocket } from './libc.ts'

const [afUnix, sockDgram, sockCloexec] = [1, 2, 0o2000000]
/** A socket that was closed ends nobody. Where a busy systemd has no room a message waits, as in sd_notify: none is lost. */
const noSignal = 0x4000
const microsPerMilli = 1000
let descriptor: number | null = null

/** Tells systemd one message, such as `READY=1`; false where nobody wants to know, or it was not taken. */
export const notifySystemd = (message: string): boolean => {
  const path = process.env['NOTIFY_SOCKET'] ?? ''
  if (path === '') return false
  descriptor ??= callSocket(afUnix, sockDgram | sockCloexec, 0)
  const bytes = Buffer.from(message)
  const family = Buffer.from(Uint16Array.of(afUnix).buffer)
  // A leading @ stands for the abstract namespace.
  const address = Buffer.concat([family, Buffer.from(path.replace(/^@/, '\0'))])
  return Number(callSendTo(descriptor, bytes, bytes.length, noSignal, address, address.length)) === bytes.length
}

/** Within how many milliseconds the watchdog wants to hear of us; null: there is none. */
export const watchdogMillis = (): number | null => {
  const micros = Number(process.env['WATCHDOG_USEC'] ?? 0)
  return Number.isFinite(micros) && micros > 0 ? micros / microsPerMilli : null
}
