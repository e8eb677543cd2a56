// Runs a session tracker in a host of a lab: carries out what it is told over IPC, and answers each with what is counted then.

import pino from 'pino'
import { openSessionTracker } from '../../../../balancer/datapath/kernel/session-tracker.ts'
import { type CountsMessage, listenerMask, type Order, ownMarks } from './tracker-messages.ts'

let recorded = 0
const [buffer] = process.argv.slice(2).map(Number)
const opened = await openSessionTracker({
  marks: ownMarks,
  listenerMask,
  connectTimeout: () => 2000,
  onEnded: ({ client, reason, duration, bytesIn, bytesOut }) => {
    const isWhole = client !== undefined && duration !== null && (bytesIn ?? 0) > 0 && (bytesOut ?? 0) > 0
    if (reason === 'closed' && isWhole) recorded += 1
  },
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
      const begunBefore = Number.POSITIVE_INFINITY
      const ended =
        'mark' in order
          ? await tracker.endSessions({ value: order.mark, mask: 0xffffffff, begunBefore }, 'server-down')
          : await tracker.endSessions({ ...ownMarks, begunBefore }, 'ordered', (flow) =>
              order.ports.includes(flow.sourcePort),
            )
      return ended.ok ? ended.value : -1
    }
    case 'end-attempts': {
      const ended = tracker.endAttempts(order.mark)
      return ended.ok ? ended.value : -1
    }
    case 'set-timeouts': {
      const set = await tracker.setTimeouts(ownMarks, () => order.seconds)
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
    recorded,
    overruns: tracker.overruns(),
    cpuMillis: (usage.user + usage.system) / 1000,
    memory: process.memoryUsage().arrayBuffers,
  }
  process.send?.(counts)
})
say({ ready: true })
