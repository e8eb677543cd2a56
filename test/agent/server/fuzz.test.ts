// A fuzz run of the HTTP server, bounded in time: bytes that are nearly requests, and a check that must go on meanwhile.

import { randomInt } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { startServer } from '../../../agent/server/server.ts'
import { freePort } from '../../lab/mariadb.ts'
import { createRandom } from '../../sim/random.ts'
import { dial } from '../client.ts'
import { report } from '../samples.ts'

const runMillis = 2000
const parallel = 8
/** Slow enough that the agent keeps up: what is tested is what the bytes do, not their number. */
const patienceMillis = 30

t.setTimeout(300_000)

for (const isTolerant of [false, true]) {
  t.test(
    `no bytes stop the agent or spoil the answer of somebody else, ${isTolerant ? 'also' : 'not'} in compatibility`,
    async (t) => {
      const seed = randomInt(2 ** 31)
      t.comment(`seed ${seed}`)
      const port = await freePort()
      const incidents = new Map<string, number>()
      const server = await startServer({
        listen: { address: '127.0.0.1', port, tls: null },
        access: { allow: [], deny: [], max_connections: 100, max_connections_per_source: 100, rate_limit: null },
        body: 'classic',
        isTolerant,
        sources: { report: async () => report(), metrics: async () => ({ text: '', headers: {} }) },
        incident: (reason) => incidents.set(reason, (incidents.get(reason) ?? 0) + 1),
        onAnswered: () => undefined,
      })
      const until = performance.now() + runMillis
      let sent = 0
      let checks = 0
      const goesOn = (): boolean => performance.now() < until || sent <= 100 || checks <= 10
      const attack = async (random: () => number): Promise<void> => {
        while (goesOn()) {
          const client = dial(port)
          client.send(mutated(random))
          sent += 1
          // Half of them wait for what comes, the others leave in the middle.
          await sleep(random() * patienceMillis)
          if (random() < 0.5) client.end()
          else client.destroy()
        }
      }
      const check = async (): Promise<void> => {
        while (goesOn()) {
          const client = dial(port)
          client.send('OPTIONS / HTTP/1.0\r\n\r\n')
          const text = await client.untilEnded()
          if (!/^HTTP\/1\.1 200 OK\r\n[\s\S]*\r\n\r\nMySQL is running\.\r\n$/.test(text)) t.fail(`a check got ${text}`)
          checks += 1
        }
      }
      await Promise.all([check(), ...Array.from({ length: parallel }, (_, i) => attack(createRandom(seed + i).next))])
      t.ok(incidents.has('malformed'))
      await server.stop()
    },
  )
}

const seeds = [
  'GET / HTTP/1.1\r\nHost: x\r\n\r\n',
  'OPTIONS / HTTP/1.0\r\n\r\n',
  'POST /replica?lag=10s HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello',
  'POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
  'GET /status HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n',
  'HEAD /metrics HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n',
  'CONNECT db1:3306 HTTP/1.1\r\n\r\n',
  '\x16\x03\x01\x02\x00\x01\x00',
]

/** A request with bytes changed, cut, doubled or put in. */
const mutated = (random: () => number): Buffer => {
  const pick = (most: number): number => Math.floor(random() * most)
  let bytes = Buffer.from(seeds[pick(seeds.length)] ?? '', 'latin1')
  for (let i = pick(5); i > 0; i -= 1) {
    const at = pick(bytes.length + 1)
    const [head, tail] = [bytes.subarray(0, at), bytes.subarray(at)]
    switch (pick(4)) {
      case 0:
        bytes = Buffer.concat([head, Buffer.of(pick(256)), tail.subarray(1)])
        break
      case 1:
        bytes = Buffer.concat([head, tail.subarray(pick(tail.length + 1))])
        break
      case 2:
        bytes = Buffer.concat([head, tail, tail])
        break
      default:
        bytes = Buffer.concat([head, Buffer.from(Array.from({ length: pick(40) }, () => pick(256))), tail])
    }
  }
  return bytes
}
