// A clean stop hands the address over: somebody has it at every moment, and nobody learns the old place of it.

import t from 'tap'
import { millis } from '../../../balancer/core/time.ts'
import { hidingRules } from '../../../balancer/vrrp/core/hiding-rules.ts'
import { createLab } from '../../lab/lab.ts'
import { waitFor } from '../../lab/wait-for.ts'
import { startKeepalived } from './keepalived.ts'
import { instance, startRouter, virtualAddress } from './router.ts'

t.setTimeout(600_000)
const lab = await createLab({ name: 'vrrp-handover' })
t.teardown(() => lab.destroy())
const lb1 = await lab.addHost('lb1', '198.18.0.1/24')
const lb2 = await lab.addHost('lb2', '198.18.0.2/24')
const client = await lab.addHost('client', '198.18.0.200/24')
const { address } = virtualAddress
const holds = async (host: typeof lb1): Promise<boolean> =>
  (await host.addresses()).some((held) => held.startsWith(`${address}/`))

/** Echo requests to the virtual address until stopped; says how many were sent and how many were lost. */
const startPinging = async () => {
  const ping = client.spawn('ping', 'ping', ['-n', '-i', '0.01', '-c', '3000', '-W', '1', address])
  await ping.waitForOutput(/bytes from/)
  return async (): Promise<{ readonly sent: number; readonly lost: number }> => {
    ping.signal('SIGINT')
    const summary = await waitFor('the summary of ping', () =>
      ping.lines().find((line) => line.includes('transmitted')),
    )
    const [, sent = '0', received = '0'] = /(\d+) packets transmitted, (\d+) received/.exec(summary) ?? []
    return { sent: Number(sent), lost: Number(sent) - Number(received) }
  }
}
const forget = (): Promise<unknown> => client.run('ip', ['neigh', 'flush', 'dev', 'eth0'])
const isFound = async (): Promise<boolean> => {
  await forget()
  const { code } = await client.run('ping', ['-n', '-c', '1', '-W', '1', address])
  return code === 0
}

t.test('to a router of ours: no echo request is lost', async (t) => {
  const giver = startRouter(lb1, instance({ priority: 150 }))
  await giver.waitForState('master')
  const taker = startRouter(lb2, instance({ priority: 100 }))
  await waitFor('the other to hear it', () => (taker.lastFact()?.received ?? 0) > 3)
  const stopPinging = await startPinging()
  giver.process.signal('SIGTERM')
  await taker.waitForState('master')
  await waitFor('the giver to end', () => !giver.process.isRunning())
  t.notOk(await holds(lb1))
  const { sent, lost } = await stopPinging()
  t.ok(sent > 0, `${sent} sent`)
  t.equal(lost, 0)
  t.match(giver.logged(/sent 0 priority/), [{ msg: /keeping the addresses until another router has them/ }, {}])
  await taker.process.stop()
})

t.test('an nft that fails costs the hiding and nothing else, and that is told', async (t) => {
  const giver = startRouter(lb1, instance({ priority: 150 }), { broken: '/usr/sbin/nft' })
  await giver.waitForState('master')
  const taker = startRouter(lb2, instance({ priority: 100 }))
  await waitFor('the other to hear it', () => (taker.lastFact()?.received ?? 0) > 3)
  giver.process.signal('SIGTERM')
  await taker.waitForState('master')
  t.match(await giver.process.exited, { code: 0 })
  t.notOk(await holds(lb1))
  const [line] = giver.logged(/nft failed/)
  t.match(line, { level: 50, msg: /^\(VI_1\) nft failed .*; clients may for a moment learn the old place$/ })
  t.match(giver.logged(/sent 0 priority/), [{ msg: /keeping the addresses until another router has them/ }, {}])
  await taker.process.stop()
})

t.test('to a keepalived: it takes over after its skew time, long before it would have missed anything', async (t) => {
  // Skew time 1.8 s, master down interval 10.8 s: the giver waits no longer than 5 s.
  const giver = startRouter(lb1, instance({ priority: 150, advertisement_interval: millis(3000) }))
  await giver.waitForState('master')
  const taker = await startKeepalived(lab, lb2, {
    version: 3,
    priority: 100,
    interval: 3,
    addresses: [`${address}/24 dev eth0`],
  })
  await waitFor('it to be backup', () => taker.lines().some((line) => line.includes('BACKUP STATE')))
  giver.process.signal('SIGTERM')
  await waitFor('the giver to end', () => !giver.process.isRunning())
  t.notOk(await holds(lb1))
  t.ok(await waitFor('keepalived to have it', () => holds(lb2), { limit: 8000 }))
  t.ok(await isFound())
  await taker.stop()
})

t.test('while it waits, who knows the place is served and nobody learns it; in the end nothing is left', async (t) => {
  const giver = startRouter(lb1, instance({ advertisement_interval: millis(1000) }))
  await giver.waitForState('master')
  t.ok(await isFound(), 'before')
  const stopPinging = await startPinging()
  giver.process.signal('SIGTERM')
  await waitFor('the rules to be there', async () =>
    (await lb1.run('nft', ['list', 'tables'])).stdout.includes('balancer_handover'),
  )
  t.ok(await holds(lb1), 'the address is kept')
  const { lost } = await stopPinging()
  t.equal(lost, 0, 'for those who know where it is')
  t.notOk(await isFound(), 'nobody is told where it is')
  await waitFor('the giver to end', () => !giver.process.isRunning())
  t.notOk(await holds(lb1), 'nobody came, and it went')
  t.equal((await lb1.run('nft', ['list', 'tables'])).stdout, '', 'no rules are left')
})

t.test('rules that a dead process left end by themselves, and with the next start', async (t) => {
  // A second's interval gives the address a lease that outlives the looks.
  const config = instance({ advertisement_interval: millis(1000) })
  const dead = startRouter(lb1, config)
  await dead.waitForState('master')
  await dead.process.kill()
  const hideUntil = (moment: number) =>
    lb1.run('nft', ['-f', '-'], { input: hidingRules([{ address, device: 'eth0' }], moment) })
  const now = Math.floor(Date.now() / 1000)
  t.match(await hideUntil(now - 1), { code: 0 })
  t.ok(await isFound(), 'their time is over')
  t.match(await hideUntil(now + 3600), { code: 0 })
  t.notOk(await isFound(), 'it is not')
  const next = startRouter(lb1, config, { resume: ['VI_1'] })
  await next.waitForState('master')
  t.ok(await waitFor('the address to be found', isFound))
  t.equal((await lb1.run('nft', ['list', 'tables'])).stdout, '')
  await next.process.stop()
})
