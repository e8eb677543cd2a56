// The log of one process as syslog. A line is taken by the kernel at once or lost: nothing waits, and nothing is kept.

import { hostname } from 'node:os'
import type { LogConfig } from './config/log-schema.ts'
import { type SyslogLine, syslogMessage } from './core/syslog.ts'
import { calendarOf } from './os/clock.ts'
import { type DatagramSocket, openDatagramSocket } from './os/datagram-socket.ts'

/** What a line is beside its moment and its process. */
export type SyslogEntry = Pick<SyslogLine, 'level' | 'kind' | 'text'>

/** An open syslog. `pulse` says that the receiver takes lines again, where it did not and that is known by now. */
export type Syslog = { readonly write: (entry: SyslogEntry) => void; readonly close: () => void }

/** What is to be known of the receiver. `lost` lines since it was told last; `why` is the system's error. */
export type SyslogTrouble =
  | { readonly is: 'lost'; readonly receiver: string; readonly why: string }
  | { readonly is: 'back'; readonly receiver: string; readonly lost: number }

/** As others of this name do: haproxy, mariadbd, keepalived. */
const programName = 'balancer'
/** A datagram to another host is known to have arrived when nobody has said otherwise for so long. */
const provenAfter = 1000

/** A syslog as configured; `onTrouble` hears of each line that is lost, and once when they arrive again. */
export const openSyslog = (
  { syslog: target, format, facility }: LogConfig & { readonly syslog: NonNullable<LogConfig['syslog']> },
  onTrouble: (trouble: SyslogTrouble) => void,
): Syslog => {
  const receiver = 'path' in target ? target.path : `${target.address}:${target.port}`
  const style = { format, facility, host: hostname(), isLocal: 'path' in target }
  let socket: DatagramSocket | null = null
  let lost = 0
  /** The first line that nobody refused after those that were lost. */
  let takenAt: number | null = null
  const deliver = (bytes: Uint8Array): string | null => {
    if (socket === null) {
      const opened = openDatagramSocket(target)
      if (!opened.ok) return opened.code
      socket = opened.value
    }
    return socket.send(bytes)
  }
  const note = (why: string | null): void => {
    const now = performance.now()
    if (why !== null) {
      lost += 1
      takenAt = null
      onTrouble({ is: 'lost', receiver, why })
    } else if (lost > 0) {
      takenAt ??= now
      if (now - takenAt < provenAfter) return
      const report = { is: 'back', receiver, lost } as const
      lost = 0
      takenAt = null
      onTrouble(report)
    }
  }
  return {
    write: (entry) => {
      const now = Date.now()
      const moment = { at: calendarOf(now), iso: new Date(now).toISOString() }
      const line = { ...entry, ...moment, name: programName, pid: process.pid }
      note(deliver(Buffer.from(syslogMessage(style, line))))
    },
    close: () => socket?.close(),
  }
}
