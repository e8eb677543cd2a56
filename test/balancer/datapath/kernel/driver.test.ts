// The whole balancer with `datapath: kernel`: real processes, nft and connection tracking, and servers that are stand-ins.

import t from 'tap'
import { waitFor } from '../../../lab/wait-for.ts'
import { openBalancerLab, servicePort, virtualAddress } from './balancer-lab.ts'

t.setTimeout(240_000)
const { lab, peer, write, start, show, isServing, hasTable, entries } = await openBalancerLab()
t.teardown(() => lab.destroy())
const client = peer('client')

write()
let running = await start()
await isServing()

t.test('sessions are forwarded, and counted', async (t) => {
  const attempts = [
    await client.connect(virtualAddress, servicePort),
    await client.connect(virtualAddress, servicePort),
  ]
  t.same(attempts.map(({ server }) => server).sort(), ['db1', 'db2'])
  t.ok(attempts.every(({ seen }) => seen === virtualAddress))
  await waitFor('both to be counted', async () => (await show()).sessions === 2)
  for (const { session } of attempts) await client.hangUp(session)
  await waitFor('both to be gone', async () => (await show()).sessions === 0)
  t.match((await show()).ends, { closed: 2 })
})

t.test('SIGTERM leaves nothing', async (t) => {
  const attempt = await client.connect(virtualAddress, servicePort)
  t.equal(attempt.error, '')
  t.match(await running.stop(), { code: 0 })
  t.notOk(await hasTable())
  t.same(await entries(), [])
  running = await start()
})
