// A sync group moves as one when one of its members fails, and a webhook that hangs hears of it. One lab for all, in order.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { createLab } from '../lab/lab.ts'
import { type BalancerHost, instanceName, virtualAddress } from '../lab/site.ts'
import { waitFor } from '../lab/wait-for.ts'
import { buildPair, ofInstance } from './pair.ts'

t.setTimeout(600_000)
const lab = await createLab({ name: 'e2e-groups' })
t.teardown(() => lab.destroy())
const { site, first, second, edit, showAll } = await buildPair(lab)
const load = join(lab.directory, 'load')
const fail = (number: number): void => writeFileSync(load, `${number}\n`)
const members = [instanceName, 'VI_2']
const addresses = [virtualAddress, '198.18.0.101']

const bothOn = (balancer: BalancerHost): Promise<unknown> =>
  waitFor(`both addresses on ${balancer.host.name} alone`, async () => {
    const held = await Promise.all(site.balancers.map(({ host }) => host.addresses()))
    return addresses.every((address) =>
      held.every((list, i) => list.some((one) => one.startsWith(`${address}/`)) === (site.balancers[i] === balancer)),
    )
  })
const untilShown = (balancer: BalancerHost, state: string, priority: number) =>
  waitFor(`both members ${state} with priority ${priority} on ${balancer.host.name}`, async () => {
    const shown = await showAll(balancer)
    const isAsWanted = shown.every((one) => one.state === state && one.priority === priority)
    return isAsWanted && shown.length === members.length ? shown : undefined
  })

/** Takes every request and answers none before the file named by its first argument is there. */
const gate = join(lab.directory, 'gate')
const receiver = `
const held = []
setInterval(() => {
  if (require('node:fs').existsSync(process.argv[1])) for (const response of held.splice(0)) response.end()
}, 20)
require('node:http').createServer((request, response) => {
  let body = ''
  request.on('data', (chunk) => { body += chunk })
  request.on('end', () => { console.log(request.method + ' ' + body); held.push(response) })
}).listen(8080, () => console.log('listening'))
`
const webhook = site.client.spawn('webhook', process.execPath, ['-e', receiver, gate])
await webhook.waitForOutput(/listening/)
const posted = (): readonly string[] => webhook.lines().filter((line) => line.startsWith('POST '))

await t.test('a small weight lowers the priority of both members, and the peer hears it of both', async (t) => {
  fail(0)
  for (const balancer of [first, second]) {
    await edit(balancer, (document) => {
      const member = {
        name: 'VI_2',
        interface: 'eth0',
        virtual_router_id: 52,
        version: 3,
        priority: document.getIn(ofInstance('priority')),
        advertisement_interval: '100ms',
        preempt: true,
        virtual_addresses: [`${addresses[1]}/24`],
      }
      document.addIn(['vrrp', 'instances'], document.createNode(member))
      document.setIn(['vrrp', 'sync_groups'], [{ name: 'G1', instances: members }])
      if (balancer !== first) return
      document.setIn(['vrrp', 'track_files'], [{ name: 'load', path: load, weight: 1 }])
      document.setIn(['vrrp', 'webhooks'], [{ url: `http://${site.client.address}:8080/`, timeout: '1m' }])
      document.setIn(['vrrp', 'instances', 1, 'track'], { files: ['load'] })
    })
  }
  await bothOn(first)
  await untilShown(first, 'master', 101)
  fail(-1)
  const parts = [
    { of: 'configured', value: 101 },
    { of: 'file load', value: -1 },
  ]
  for (const { priority_parts: shown } of await untilShown(first, 'master', 100)) t.same(shown, parts)
  const heard = { from: first.host.address, priority: 100 }
  await waitFor('the peer to hear the lower priority of both', async () =>
    (await showAll(second)).every(({ last_advertisement: last }) => last?.priority === heard.priority),
  )
  for (const shown of await showAll(second)) t.match(shown, { state: 'backup', last_advertisement: heard })
  await bothOn(first)
})

await t.test('a greater one moves both, while a webhook hangs', async (t) => {
  fail(-10)
  await bothOn(second)
  for (const { priority_parts: shown } of await untilShown(first, 'backup', 91)) {
    t.match(shown, [{ value: 101 }, { of: 'file load', value: -10 }])
  }
  const shown = await untilShown(second, 'master', 100)
  t.ok(
    shown.some(({ reason }) => /^sync group G1: VI_[12] is master$/.test(reason)),
    'one came with the other',
  )
  fail(0)
  await bothOn(first)
  await untilShown(first, 'master', 101)
  await untilShown(second, 'backup', 100)
  t.equal(posted().length, 1, 'the first request is still without an answer')
})

await t.test('the webhook is told everything in the end, in order', async (t) => {
  writeFileSync(gate, '')
  const bodies = await waitFor('all to be told', () => {
    const all = posted().map((line) => JSON.parse(line.replace('POST ', '')))
    return all.length >= 9 ? all : undefined
  })
  const common = { event: 'vrrp-state', router_id: first.host.name, test: false }
  const story = (name: string) => bodies.filter((body) => body.name === name).map(({ at: _, ...body }) => body)
  const changes = (name: string) => story(name).map((body) => [body.previous_state, body.state, body.priority])
  t.same(changes('VI_1'), [
    ['master', 'backup', 91],
    ['backup', 'master', 101],
  ])
  t.same(changes('VI_2'), [
    [null, 'backup', 101],
    ['backup', 'master', 101],
    ['master', 'backup', 91],
    ['backup', 'master', 101],
  ])
  t.same(changes('G1'), [
    [null, 'master', 0],
    ['master', 'backup', 0],
    ['backup', 'master', 0],
  ])
  t.match(story('VI_1')[0], { ...common, type: 'instance', reason: /198.18.0.3|sync group G1/ })
  t.match(story('G1').at(-1), { ...common, type: 'group' })
  const moments = bodies.map(({ at }) => at)
  t.same(moments, moments.toSorted(), 'in the order in which it happened')
})
