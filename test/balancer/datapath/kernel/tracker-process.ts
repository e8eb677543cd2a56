// Runs a session tracker in a host of a lab: carries out what it is told over IPC, and answers each with what is counted then.

import pino from 'pino'
import { openSessionTracker } from '../../../../balancer/datapath/kernel/session-tracker.ts'
import { type CountsMessage, type Order, ownMarks, listenerMask } from './tracker-messages.ts'

const [buffer] = process.argv.slice(2).map(Number)
const opened = await openSessionTracker({
  marks: ownMarks,
  listenerMask,
  connectTimeout: () => 2000,
  onEnded: ({ client: _, ...session }) => say({ session }),
  log: pino(),
  ...(buffer === undefined ? {} : { eventBuffer: buffer }),
})
const say = (line: object): void => void process.stdout.write(`${JSON.stringify(line)}\n`)
if (!opened.ok) {
  say({ refused: opened.text })
  process.exit(0)
}
const tracker = opened.value

const carryOut = async (order: Order): Promise<number> => {
  switch (order.do) {
    case 'end': {
      const ended = await tracker.endSessions(
        { value: order.mark, mask: 0xffffffff, begunBefore: Number.POSITIVE_INFINITY },
        'server-down',
      )
      return ended.ok ? ended.value : -1
    }
    case 'end-attempts': {
      const ended = tracker.endAttempts(order.mark)
      return ended.ok ? ended.value : -1
    }
    case 'set-timeouts': {
      const set = await tracker.setTimeouts(ownMarks, order.seconds)
      return set.ok ? set.value : -1
    }
    case 'recount':
      return (await tracker.recount()).ok ? 0 : -1
    case 'stall':
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, order.millis)
      return 0
    case 'count':
      return 0
  }
}

process.on('message', async (order: Order) => {
  const result = await carryOut(order)
  const usage = process.cpuUsage()
  const counts: CountsMessage = {
    result,
    servers: tracker.servers(),
    listeners: tracker.listeners(),
    overruns: tracker.overruns(),
    cpuMillis: (usage.user + usage.system) / 1000,
    memory: process.memoryUsage().arrayBuffers,
  }
  process.send?.(counts)
})
say({ ready: true })
