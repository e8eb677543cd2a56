// The streams of all agents: one per agent, however many checks hear it.

import type { Watching } from './scheduled-probe.ts'
import { createStream, type Stream, type StreamSource } from './stream.ts'

/** Joins what is asked of one source; the stream ends with its last hearer. */
export const sharedStreams = (): ((source: StreamSource) => Watching['subscribe']) => {
  const streams = new Map<string, Stream>()
  return (source) => (hearer) => {
    const key = JSON.stringify([
      source.address,
      source.port,
      source.path,
      source.headers,
      source.heartbeat,
      source.dialer.key,
    ])
    const stream = streams.get(key) ?? createStream(source)
    streams.set(key, stream)
    stream.hearers.add(hearer)
    return {
      isOpen: stream.isOpen,
      offered: stream.offered,
      end: () => {
        stream.hearers.delete(hearer)
        if (stream.hearers.size > 0 || streams.get(key) !== stream) return
        stream.stop()
        streams.delete(key)
      },
    }
  }
}
