// The direct datapath for an hour of an operator's life: power cuts, hand-overs, kills, upgrades, reloads, and servers that are
// drained, added and removed between them, with clients in every state. Nobody whose server lives may lose a session.

import { readFileSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { parseDocument } from 'yaml'
import { startDirectClients } from '../e2e/direct-clients.ts'
import { directEvents } from '../e2e/direct-events.ts'
import { untilServes } from '../e2e/kernel-events.ts'
import { prepareLedger } from '../e2e/ledger.ts'
import { buildPair } from '../e2e/pair.ts'
import { startGalera } from '../lab/galera-cluster.ts'
import { createLab } from '../lab/lab.ts'
import { createReleases } from '../lab/release.ts'
import { type BalancerHost, servicePort, virtualAddress } from '../lab/site.ts'
import { prepareLoad } from '../lab/sysbench.ts'
import { waitFor } from '../lab/wait-for.ts'

t.setTimeout(3_000_000)
const [rounds, kills, reloads] = [Number(process.env['LONG_ROUNDS'] ?? 10), 5, 20]
const lab = await createLab({ name: 'long-direct' })
t.teardown(() => lab.destroy())
const releases = createReleases(lab.directory)
releases.install('1.0.0')
const pair = await buildPair(lab, {
  databases: 3,
  advertisementInterval: '200ms',
  balancerProgram: releases.program,
  datapath: 'direct',
  startServers: async (_, hosts, options) => {
    const servers = await startGalera(lab, hosts, options)
    const [host, server] = [hosts[0], servers[0]]
    if (host === undefined || server === undefined) throw new Error('there is no server')
    await prepareLoad(host, server)
    await prepareLedger(server)
    return servers
  },
})
const { site, edit, ask } = pair
const events = await directEvents(pair)
const servers = site.databases.map(({ server }) => server)

/** The third server comes and goes. */
const third = { name: 'db3', address: `${lab.host('db3').address}:3306` }
const serversPath = ['listeners', 0, 'servers']
const removeThird = async (): Promise<void> => {
  for (const balancer of site.balancers) await edit(balancer, (document) => document.deleteIn([...serversPath, 2]))
}
const addThird = async (): Promise<void> => {
  for (const balancer of site.balancers) {
    await edit(balancer, (document) => document.addIn(serversPath, document.createNode(third)))
  }
  for (const balancer of site.balancers) await untilServes(balancer)
}
const reloadOnce = async (balancer: BalancerHost, weight: number): Promise<void> => {
  const document = parseDocument(readFileSync(balancer.configFile, 'utf8'))
  document.setIn([...serversPath, 0, 'weight'], weight)
  writeFileSync(balancer.configFile, String(document))
  const answer = await ask(balancer, 'reload')
  if (!answer.includes('db1 changed')) throw new Error(answer)
}
let releaseCount = 0
const upgrade = async (balancer: BalancerHost): Promise<void> => {
  releaseCount += 1
  const version = `1.${releaseCount}.0`
  releases.install(version)
  const answer = await ask(balancer, 'reexec')
  if (!answer.startsWith(`Version ${version} runs`)) throw new Error(answer)
  await untilServes(balancer)
  await events.untilConnected()
}
const sessionsOfThird = async (balancer: BalancerHost): Promise<number> => {
  const [listener] = (await balancer.status()).listeners
  return listener?.servers.find(({ name }) => name === third.name)?.sessions ?? 0
}
/** By the word of the server itself. */
const ofClients = async (): Promise<number> => {
  const sql = `SELECT COUNT(*) AS count FROM information_schema.PROCESSLIST WHERE HOST LIKE '${site.client.address}:%'`
  const [row] = (await site.databases.find(({ host }) => host.name === third.name)?.server.query(sql)) ?? []
  return Number(row?.['count'])
}

await removeThird()
const clients = await startDirectClients(lab, site.client, {
  target: { address: virtualAddress, port: servicePort },
  servers,
  counts: { held: 12, waiting: 12, ledger: 8, idle: 12, load: 8 },
})

/** An event that nobody may notice. */
const quiet = (event: string, act: () => Promise<unknown>): Promise<unknown> =>
  t.test(event, async (t) => {
    const { lost, failed, reasons, longestGapMs } = await clients.noticed(event, act)
    t.comment(`longest pause ${longestGapMs} ms`)
    t.same({ lost, failed, reasons }, { lost: [], failed: 0, reasons: {} })
  })

const changes: readonly (readonly [string, () => Promise<unknown>])[] = [
  ['a server is drained', () => events.order('server mysql/db1 drain')],
  ['a server is added', addThird],
  ['a server is ready again', () => events.order('server mysql/db1 ready')],
  ['the added server is drained', () => events.order('server mysql/db3 drain')],
  [
    'it is removed when it has no sessions',
    async () => {
      await waitFor('it to have no sessions', async () => (await ofClients()) === 0)
      // Of a session whose end was seen by a balancer alone that died a moment later nobody else knows that it has ended.
      for (const balancer of site.balancers) {
        const listed = await sessionsOfThird(balancer)
        t.comment(`${balancer.host.name} counts ${listed} sessions that are over`)
        if (listed > 0) await ask(balancer, `sessions end mysql/${third.name}`)
      }
      await removeThird()
    },
  ],
]

for (let round = 0; round < rounds; round += 1) {
  await quiet('power cut of the master', events.powerCut)
  const change = changes[round % changes.length]
  if (change !== undefined) await quiet(...change)
  await quiet('hand-over', events.handOver)
  if (round < kills) await quiet('kill -9 of everything on the master', events.killAll)
  if (round < 2) {
    await quiet('upgrade by reexec of the master', async () => upgrade(await site.holder()))
    await quiet('hand-over', events.handOver)
  }
  if (round === 2) {
    for (const balancer of site.balancers) {
      await quiet(`${reloads / 2} reloads of one balancer`, async () => {
        for (let i = 0; i < reloads / 2; i += 1) await reloadOnce(balancer, 2 + (i % 5))
      })
    }
  }
}
await t.test('at the end idle clients have their sessions, and servers exactly what was committed', async (t) => {
  t.same(await clients.end(), [])
})
for (const line of clients.table()) t.comment(line)
