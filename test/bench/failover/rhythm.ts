// The rhythm of the master's advertisements on the wire. How long an outage is depends on how long ago the last one was:
// each repetition fails at its own point between two of them, the same one on both sides.

import type { Host } from '../../lab/host.ts'
import { waitFor } from '../../lab/wait-for.ts'

/** The advertisements that a host sees. */
export type Rhythm = {
  /** The next moment, in milliseconds since the epoch, that is `phase` (0 to 1) of an interval after an advertisement. */
  readonly next: (phase: number) => Promise<number>
  readonly stop: () => Promise<unknown>
}

/** Nearer than this it may have passed before anybody is woken up. */
const margin = 2

/** Listens on a host; `interval` in milliseconds. */
export const listenToRhythm = (host: Host, interval: number): Rhythm => {
  const words = ['-l', '-n', '-tt', '--immediate-mode', '-i', 'eth0', '-Z', 'root', 'ip proto 112']
  const tcpdump = host.spawn('tcpdump', 'tcpdump', words)
  const last = (): number | undefined => {
    const line = tcpdump.lines().findLast((text) => /^\d+\.\d+ IP /.test(text))
    return line === undefined ? undefined : Number(line.split(' ')[0]) * 1000
  }
  return {
    next: async (phase) => {
      const advertised = await waitFor('an advertisement on the wire', last)
      const wanted = advertised + phase * interval
      const behind = Math.max(0, Math.ceil((Date.now() + margin - wanted) / interval))
      return wanted + behind * interval
    },
    stop: () => tcpdump.stop(),
  }
}
