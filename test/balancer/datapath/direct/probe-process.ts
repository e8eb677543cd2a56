// A program for hosts of a lab: follows the ways to servers, tries them over and over, and prints what came of each.

import { setTimeout as wait } from 'node:timers/promises'
import pino from 'pino'
import { testAnswers } from '../../../../balancer/datapath/direct/answer-test.ts'
import { probeServers } from '../../../../balancer/datapath/direct/path-probe.ts'
import { watchSegment } from '../../../../balancer/datapath/direct/segment.ts'
import { listenerOf } from '../planning.ts'

const [bind = '', ...servers] = process.argv.slice(2)
const listener = listenerOf(
  { bind },
  servers.map((address, i) => ({ name: `db${i + 1}`, address })),
)
const log = pino({ base: null, timestamp: false })
const listeners = () => [listener]
const segment = await watchSegment({ listeners, places: () => [], balancers: () => [], onChange: () => {}, log })
const answers = testAnswers({ listeners, segment, log })

const tryAll = async (): Promise<void> => {
  const targets = listener.servers.flatMap(({ address }) => {
    const ends = segment.endsOf(address.address)
    return ends === null ? [] : listener.bind.map((one) => ({ bind: one, ends }))
  })
  process.stdout.write(`${JSON.stringify({ tried: await probeServers(targets) })}\n`)
}
for (;;) {
  await tryAll()
  for (const { name } of listener.servers) answers.begin(listener.name, name)
  await wait(300)
}
