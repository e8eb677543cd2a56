// A sync group on real interfaces: a link lost by one member takes all of them away, and back again.

import t from 'tap'
import { createLab } from '../../lab/lab.ts'
import { waitFor } from '../../lab/wait-for.ts'
import { capture } from './capture.ts'
import { instance, startRouter, vrrpOf } from './router.ts'

t.setTimeout(600_000)
const lab = await createLab({ name: 'vrrp-groups' })
t.teardown(() => lab.destroy())
const lb1 = await lab.addHost('lb1', '198.18.0.1/24')
const lb2 = await lab.addHost('lb2', '198.18.0.2/24')
const lb2Process = lb2.spawn('sleep', 'sleep', ['120'])
const setPeer = (state: 'up' | 'down') => lb2.run('ip', ['link', 'set', 'inside1', state])
const ip = (...words: readonly string[]) => lb1.run('ip', words)

t.test('all members are master together, in fault together, and back together', async (t) => {
  await ip('link', 'add', 'inside0', 'type', 'veth', 'peer', 'name', 'inside1', 'netns', String(lb2Process.pid))
  await ip('address', 'add', '198.18.7.1/24', 'dev', 'inside0')
  await ip('link', 'set', 'inside0', 'up')
  await setPeer('up')
  const [outside, inside] = [
    instance(),
    instance({
      name: 'VI_2',
      interface: 'inside0',
      virtual_addresses: [{ address: { address: '198.18.7.100', prefixLength: 24 } }],
    }),
  ]
  const groups = [{ name: 'G1', instances: ['VI_1', 'VI_2'] }]
  const router = startRouter(lb1, vrrpOf([outside, inside], groups))
  const both = (state: 'master' | 'fault') =>
    waitFor(`both to be ${state}`, () => ['VI_1', 'VI_2'].every((name) => router.factOf(name)?.state === state))
  await both('master')
  await waitFor(
    'both addresses',
    async () => (await lb1.addresses()).filter((one) => one.includes('.100/')).length === 2,
  )

  const readCapture = await capture(lab, lb2, { filter: 'ip proto 112' })
  await setPeer('down')
  await both('fault')
  t.match(router.factOf('VI_1'), { reason: 'sync group G1: VI_2 is in fault', syncGroup: 'G1' })
  t.match(router.factOf('VI_2'), { reason: 'inside0 is down' })
  await waitFor('no address', async () => !(await lb1.addresses()).join().includes('.100/'))
  await setPeer('up')
  await both('master')
  const sent = router.factOf('VI_1')?.sent ?? 0
  await waitFor('more advertisements', () => (router.factOf('VI_1')?.sent ?? 0) > sent + 1)
  await router.process.stop()
  const priorities = (await readCapture()).map(({ priority }) => priority)
  t.equal(
    priorities.filter((priority) => priority === '0').length,
    3,
    'the healthy one resigned at the fault, and at the stop before and after it kept its address',
  )
})
