// A weighted failure towards a real keepalived, which would wait out its down timer if it were not told.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { type VrrpConfig, vrrpSchema } from '../../../balancer/config/vrrp-schema.ts'
import { createLab } from '../../lab/lab.ts'
import { waitFor } from '../../lab/wait-for.ts'
import { capture } from './capture.ts'
import { startKeepalived } from './keepalived.ts'
import { instance, startRouter, virtualAddress } from './router.ts'

t.setTimeout(600_000)
const lab = await createLab({ name: 'yielding' })
t.teardown(() => lab.destroy())
const ours = await lab.addHost('ours', '198.18.0.2/24')
const theirs = await lab.addHost('theirs', '198.18.0.3/24')
const watcher = await lab.addHost('watcher', '198.18.0.4/24')
const cidr = `${virtualAddress.address}/${virtualAddress.prefixLength}`
const path = join(lab.directory, 'load')
const load = (value: number): void => writeFileSync(path, `${value}\n`)
load(0)

const config: VrrpConfig = {
  ...vrrpSchema.parse({ track_files: [{ name: 'load', path, weight: 1 }] }),
  instances: [
    instance({
      preempt: true,
      track: { serving: null, interfaces: [], scripts: [], files: [{ file: 'load' }], processes: [] },
    }),
  ],
}

const keepalived = await startKeepalived(lab, theirs, { version: 3, priority: 120, interval: 0.1, addresses: [cidr] })
await keepalived.waitForOutput(/Entering MASTER STATE/)
const router = startRouter(ours, config)
await router.waitForState('master')

const holds = async (host: typeof ours): Promise<boolean> => (await host.addresses()).includes(cidr)
const untilHeldBy = (host: typeof ours, other: typeof ours): Promise<unknown> =>
  waitFor(`${host.name} alone holds the address`, async () => (await holds(host)) && !(await holds(other)))
await untilHeldBy(ours, theirs)

await t.test('it yields with priority 0, and takes it back', async (t) => {
  const frames = await capture(lab, watcher)
  load(-50)
  await untilHeldBy(theirs, ours)
  const sent = (await frames()).filter(({ protocol, source }) => protocol === 'vrrp' && source === ours.address)
  const priorities = sent.map(({ priority }) => priority)
  t.ok(priorities.includes('0'), 'priority 0 was sent')
  t.notOk(priorities.includes('100'), 'no lower priority was sent')
  load(0)
  await untilHeldBy(ours, theirs)
})

await t.test('so does a reload that gives it the lower priority', async (t) => {
  const frames = await capture(lab, watcher)
  await router.reconfigure({ ...config, instances: config.instances.map((one) => ({ ...one, priority: 100 })) })
  await untilHeldBy(theirs, ours)
  const sent = (await frames()).filter(({ protocol, source }) => protocol === 'vrrp' && source === ours.address)
  const priorities = sent.map(({ priority }) => priority)
  t.ok(priorities.includes('0'), 'priority 0 was sent')
  t.notOk(priorities.includes('100'), 'no lower priority was sent')
  await router.reconfigure(config)
  await untilHeldBy(ours, theirs)
})

await t.test('nobody comes: it is master again, and does not yield a second time', async (t) => {
  const pids = await theirs.run('pgrep', ['-x', '-P', String(keepalived.pid), 'keepalived'])
  await keepalived.kill()
  for (const pid of pids.stdout.split('\n').filter(Boolean)) await theirs.run('kill', ['-9', pid])
  const monitor = ours.spawn('monitor', 'ip', ['monitor', 'address'])
  const frames = await capture(lab, watcher)
  load(-50)
  await waitFor('it to have the lower priority', () => router.lastFact()?.priority === 100)
  await waitFor('it to be master on its own', () => {
    const fact = router.lastFact()
    return fact?.state === 'master' && !fact.handingOver
  })
  load(0)
  await waitFor('it to have recovered', () => router.lastFact()?.priority === 150)
  load(-50)
  await waitFor('it to fail again', () => router.lastFact()?.priority === 100)
  const sent = (router.lastFact()?.sent ?? 0) + 10
  await waitFor('it to go on as master', () => (router.lastFact()?.sent ?? 0) > sent)
  await monitor.stop()
  t.notOk(
    monitor.lines().some((line) => line.startsWith('Deleted') && line.includes(virtualAddress.address)),
    'the address was there all the time',
  )
  const priorities = (await frames())
    .filter(({ protocol, source }) => protocol === 'vrrp' && source === ours.address)
    .map(({ priority }) => priority)
  const yields = priorities.filter((priority, i) => priority === '0' && priorities[i - 1] !== '0').length
  t.equal(yields, 1, 'it yielded once')
})
