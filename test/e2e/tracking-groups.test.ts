// A sync group moves as one when one of its members fails, and a webhook is told. One lab for all, in order.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { createLab } from '../lab/lab.ts'
import { instanceName } from '../lab/site.ts'
import { waitFor } from '../lab/wait-for.ts'
import { buildPair, ofInstance } from './pair.ts'

t.setTimeout(300_000)
const lab = await createLab({ name: 'e2e-groups' })
t.teardown(() => lab.destroy())
const { site, first, second, untilHeldBy, edit } = await buildPair(lab)

const receiver = `
require('node:http').createServer((request, response) => {
  let body = ''
  request.on('data', (chunk) => { body += chunk })
  request.on('end', () => { console.log(request.method + ' ' + body); response.end() })
}).listen(8080, () => console.log('listening'))
`

await t.test('a weighted failure of one member moves the group, and the webhook hears of it', async (t) => {
  const path = join(lab.directory, 'load')
  const secondAddress = '198.18.0.101/24'
  writeFileSync(path, '0\n')
  const webhook = site.client.spawn('webhook', process.execPath, ['-e', receiver])
  await webhook.waitForOutput(/listening/)
  for (const balancer of [first, second]) {
    await edit(balancer, (document) => {
      const priority = document.getIn(ofInstance('priority'))
      const member = {
        name: 'VI_2',
        interface: 'eth0',
        virtual_router_id: 52,
        version: 3,
        priority,
        advertisement_interval: '100ms',
        preempt: true,
        virtual_addresses: [secondAddress],
      }
      document.addIn(['vrrp', 'instances'], document.createNode(member))
      document.setIn(['vrrp', 'sync_groups'], [{ name: 'G1', instances: [instanceName, 'VI_2'] }])
      if (balancer !== first) return
      document.setIn(['vrrp', 'track_files'], [{ name: 'load', path, weight: 1 }])
      document.setIn(['vrrp', 'webhooks'], [{ url: `http://${site.client.address}:8080/` }])
      document.setIn(['vrrp', 'instances', 1, 'track'], { files: ['load'] })
    })
  }
  const bothOn = (balancer: typeof first): Promise<unknown> =>
    waitFor(`both addresses on ${balancer.host.name}`, async () => {
      const there = await Promise.all(
        site.balancers.map(async ({ host }) => (await host.addresses()).includes(secondAddress)),
      )
      return there.every((held, i) => held === (site.balancers[i] === balancer))
    }).then(() => untilHeldBy(balancer))
  await bothOn(first)
  writeFileSync(path, '-10\n')
  await bothOn(second)
  await webhook.waitForOutput(/POST \{.*backup/i)
  writeFileSync(path, '0\n')
  await bothOn(first)
  t.match(
    webhook.lines().findLast((line) => line.startsWith('POST ')),
    /G1|VI_1|VI_2/,
  )
})
