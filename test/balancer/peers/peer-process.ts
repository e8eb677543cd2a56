// A balancer of which only the peers run, on a host of a lab: it prints what it hears, a JSON object a line, and takes orders
// over IPC.

import { pino } from 'pino'
import { z } from 'zod'
import { peersSchema } from '../../../balancer/config/peers-schema.ts'
import { millis } from '../../../balancer/core/time.ts'
import { startPeers } from '../../../balancer/peers/peers.ts'
import type { SessionException } from '../../../balancer/pool/core/session-exception.ts'
import { exceptions, table } from './core/exceptions.ts'

const setup = z.object({
  routerId: z.string(),
  config: peersSchema.extend({ key: z.string() }),
  targets: z.array(z.string()),
  /** How many exceptions it has from its start. */
  count: z.number(),
})

const order = z.discriminatedUnion('do', [
  z.object({ do: z.literal('set'), count: z.number(), server: z.string() }),
  z.object({ do: z.literal('targets'), targets: z.array(z.string()) }),
  z.object({ do: z.literal('holds'), addresses: z.array(z.string()) }),
  z.object({ do: z.literal('reconfigure'), key: z.string() }),
  z.object({ do: z.literal('report') }),
])

const { routerId, config, targets, count } = setup.parse(JSON.parse(process.argv[2] ?? ''))
const print = (line: object): void => void process.stdout.write(`${JSON.stringify(line)}\n`)
const log = pino({ base: null, timestamp: false }, process.stdout)

let own: readonly SessionException[] = exceptions(count)
const taken = new Map<string, SessionException>()
let longestStall = 0
let lookedAt = performance.now()
setInterval(() => {
  const now = performance.now()
  longestStall = Math.max(longestStall, now - lookedAt - 10)
  lookedAt = now
}, 10)

const peers = startPeers({
  ...{ config, routerId, log },
  publish: () => {},
  onTables: (peer, tables) => {
    print({ tables: tables?.map((one) => one.table.targets.map(({ server }) => server)) ?? null })
    if (tables !== null) peers.setExceptions(peer, tables, own)
  },
  onTold: (_, told) => {
    for (const one of told) taken.set(one.client, one)
    return { better: [], over: [] }
  },
  onGone: (_, gone) => {
    for (const { client } of gone) taken.delete(client)
  },
  find: () => null,
})
peers.setOwn([table('mysql', targets)])
void peers.synced().then(({ missing }) => print({ synced: missing }))

const tell = (): void => {
  for (const { peer, tables } of peers.connected()) peers.setExceptions(peer, tables, own)
}
process.on('message', (message) => {
  const given = order.parse(message)
  switch (given.do) {
    case 'set':
      own = exceptions(given.count).map((one) => ({ ...one, server: given.server, idle: millis(0) }))
      longestStall = 0
      return tell()
    case 'targets':
      return peers.setOwn([table('mysql', given.targets)])
    case 'holds':
      return peers.setHolds(given.addresses)
    case 'reconfigure':
      return print({ reconfigured: peers.reconfigure({ ...config, key: given.key }, routerId) })
    case 'report': {
      const servers = [...new Set([...taken.values()].map(({ server }) => server))]
      return print({
        report: peers.state(),
        taken: taken.size,
        servers,
        longestStall,
        memory: process.memoryUsage().rss,
      })
    }
    default:
      given satisfies never
  }
})
process.once('SIGTERM', () => void peers.stop().then(() => process.exit(0)))
process.once('disconnect', () => process.exit(0))
