// Slots that were others for a while, and then everything on the master dies: who logs in at that moment, and sessions too young to be
// told of, meet the same server at the other balancer.

import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { startDirectClients } from '../e2e/direct-clients.ts'
import { directEvents } from '../e2e/direct-events.ts'
import { untilServes } from '../e2e/kernel-events.ts'
import { buildPair } from '../e2e/pair.ts'
import { createLab } from '../lab/lab.ts'
import { startMariaDb } from '../lab/mariadb.ts'
import { instanceName, servicePort, virtualAddress } from '../lab/site.ts'
import { waitFor } from '../lab/wait-for.ts'

t.setTimeout(3_000_000)
const rounds = Number(process.env['LONG_ROUNDS'] ?? 20)
/** Of a process that has died and come back: the other balancer calls that a loss of the same event for 15 s. */
const mostPause = 8000

const lab = await createLab({ name: 'long-direct-kills' })
t.teardown(() => lab.destroy())
const pair = await buildPair(lab, {
  databases: 2,
  advertisementInterval: '200ms',
  datapath: 'direct',
  startServers: (_, hosts) => Promise.all(hosts.map((host) => startMariaDb({ lab, host, name: host.name }))),
})
const { site, ask, childOf, untilHeldBy } = pair
const events = await directEvents(pair)
const clients = await startDirectClients(lab, site.client, {
  target: { address: virtualAddress, port: servicePort },
  servers: site.databases.map(({ server }) => server),
  counts: { held: 12, waiting: 6, ledger: 0, idle: 6, load: 0 },
  interval: 10,
})
const handOver = async (): Promise<void> => {
  const from = await site.holder()
  const other = site.balancers.find((one) => one !== from)
  if (other === undefined) throw new Error('there is no other balancer')
  await ask(from, `vrrp ${instanceName} handover`)
  await untilHeldBy(other)
  await ask(from, `vrrp ${instanceName} ready`)
}
const killKernel = async (): Promise<void> => {
  const master = await site.holder()
  const before = childOf(master, 'kernel')
  process.kill(before, 'SIGKILL')
  await waitFor('another process', () => childOf(master, 'kernel') !== before)
  await untilServes(master)
}

for (let round = 0; round < rounds; round += 1) {
  await t.test(`round ${round}`, async (t) => {
    const { lost, failed, reasons, longestGapMs } = await clients.noticed(
      'drain, hand-over and back, kills',
      async () => {
        const drained = `server mysql/db${1 + (round % 2)}`
        await events.order(`${drained} drain`)
        await handOver()
        await events.order(`${drained} ready`)
        await handOver()
        await killKernel()
        await sleep((mostPause * round) / rounds)
        await events.killAll()
      },
    )
    t.comment(`longest pause ${longestGapMs} ms`)
    t.same({ lost, failed, reasons }, { lost: [], failed: 0, reasons: {} })
  })
}
t.same(await clients.end(), [])
for (const line of clients.table()) t.comment(line)
