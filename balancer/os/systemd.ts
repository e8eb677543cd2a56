// What systemd's notification socket is told, sd_notify(3), and how often it wants to hear that we still turn.

import { callSendTo, callSocket } from './libc.ts'

const [afUnix, sockDgram, sockCloexec] = [1, 2, 0o2000000]
/** Nobody waits for a manager that does not read, and a closed socket ends nobody. */
const noSignalNoWait = 0x4040
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
  return Number(callSendTo(descriptor, bytes, bytes.length, noSignalNoWait, address, address.length)) === bytes.length
}

/** Within how many milliseconds the watchdog wants to hear of us; null: there is none. */
export const watchdogMillis = (): number | null => {
  const micros = Number(process.env['WATCHDOG_USEC'] ?? 0)
  return Number.isFinite(micros) && micros > 0 ? micros / microsPerMilli : null
}
