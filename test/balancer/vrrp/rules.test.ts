// The rules of the election against a live keepalived: who preempts whom, a lost link, equal priorities, two masters.

import t, { type Test } from 'tap'
import { waitFor } from '../../lab/wait-for.ts'
import { capture, type Frame } from './capture.ts'
import { type Duel, openDuel, type Way, ways } from './duel.ts'
import { startRouter } from './router.ts'

t.setTimeout(600_000)
t.jobs = 4

const chosen = ways.filter(({ name }) => ['version 2 with a password', 'version 3', 'IPv6, unicast'].includes(name))

const sound = (t: Test, frames: readonly Frame[]): void => {
  const adverts = frames.filter(({ protocol }) => protocol === 'vrrp')
  t.ok(adverts.length > 0, `${adverts.length} advertisements`)
  const odd = adverts.filter(({ checksum, complaint }) => checksum !== '1' || complaint !== '')
  t.same(odd, [], 'tshark has no complaint')
}

const duel = (name: string, way: Way, story: (t: Test, stage: Duel) => Promise<void>): void => {
  t.test(`${way.name}: ${name}`, { buffered: true }, async (t) => {
    const stage = await openDuel(way)
    t.teardown(() => stage.lab.destroy())
    await story(t, stage)
  })
}

for (const way of chosen) {
  duel(
    'without preempt a better router waits, takes over when a link is lost, and does not come back',
    way,
    async (t, stage) => {
      const { lab, lb1, lb2, config, startOther, onlyOn } = stage
      const keepalived = await startOther({ nopreempt: true })
      await keepalived.waitForOutput(/Entering MASTER STATE/)
      const readCapture = await capture(lab, lb2)
      const router = startRouter(lb1, config(150, { preempt: false }))
      await waitFor('advertisements to be heard', () => (router.lastFact()?.received ?? 0) > 4)
      t.match(router.lastFact(), { state: 'backup', sent: 0, lastAdvertisement: { priority: 100 } })

      await lb2.cutLink()
      await router.waitForState('master')
      await lb2.restoreLink()
      await onlyOn(lb1)
      t.match(router.lastFact(), { state: 'master', transitions: 2 })

      await lb1.cutLink()
      await router.waitForState('fault')
      await onlyOn(lb2)
      const sent = router.lastFact()?.sent
      await lb1.restoreLink()
      await router.waitForState('backup')
      const received = router.lastFact()?.received ?? 0
      await waitFor('more advertisements', () => (router.lastFact()?.received ?? 0) > received + 4)
      t.match(router.lastFact(), { state: 'backup', sent }, 'it waits, and has said nothing in fault')
      await onlyOn(lb2)
      await router.process.stop()
      sound(t, await readCapture())
      await keepalived.stop()
    },
  )

  duel('a lower master is preempted, and the better one comes back when its link does', way, async (t, stage) => {
    const { lab, lb1, lb2, config, startOther, onlyOn } = stage
    const router = startRouter(lb1, config(90))
    await router.waitForState('master')
    const readCapture = await capture(lab, lb1)
    const keepalived = await startOther()
    await router.waitForState('backup')
    t.match(router.logged(/higher priority 100, ours 90/), [{}])
    await onlyOn(lb2)
    await lb2.cutLink()
    await router.waitForState('master')
    await lb2.restoreLink()
    await router.waitForState('backup')
    await onlyOn(lb2)
    await router.process.stop()
    sound(t, await readCapture())
    await keepalived.stop()
  })
}

/** What a partition of the network leaves: two masters. Our address is the lower one. */
const splits = [
  { name: 'the lower priority yields', ours: 150, winner: 'lb1' },
  { name: 'ours yields when its priority is lower', ours: 90, winner: 'lb2' },
  { name: 'of equal priorities the larger address stays', ours: 100, winner: 'lb2' },
] as const
for (const way of chosen.filter(({ version }) => version !== 2)) {
  for (const { name, ours, winner } of splits) {
    duel(`two masters after a partition are healed: ${name}`, way, async (t, stage) => {
      const { lab, lb1, lb2, config, startOther, onlyOn, bothHold } = stage
      const router = startRouter(lb1, config(ours))
      const isolate = (isolated: boolean) => Promise.all([lb1, lb2].map((host) => host.isolate(isolated)))
      await isolate(true)
      const keepalived = await startOther()
      await router.waitForState('master')
      await keepalived.waitForOutput(/Entering MASTER STATE/)
      await bothHold()
      const readCapture = await capture(lab, lb1)
      await isolate(false)
      await onlyOn(lab.host(winner))
      if (winner === 'lb1') {
        t.match(router.lastFact(), { state: 'master', transitions: 2 }, 'it stayed master throughout')
      } else {
        await router.waitForState('backup')
        const relation = ours === 100 ? 'same' : 'higher'
        t.equal(router.logged(new RegExp(`Master received advert from \\S+ with ${relation} priority 100`)).length, 1)
      }
      await router.process.stop()
      const frames = await readCapture()
      sound(t, frames)
      await keepalived.stop()
    })
  }
}

const filter = 'table inet deaf { chain input { type filter hook input priority 0; meta l4proto 112 drop; }; }'
for (const way of chosen) {
  duel('a master that does not hear ours is reported, counted, contradicted, and healed', way, async (t, stage) => {
    const { lab, lb1, lb2, config, startOther, onlyOn, bothHold } = stage
    const router = startRouter(lb1, config(150))
    await router.waitForState('master')
    const deaf = await lb2.run('nft', [filter])
    t.equal(deaf.stderr, '')
    const keepalived = await startOther()
    await keepalived.waitForOutput(/Entering MASTER STATE/)
    await bothHold()
    const readCapture = await capture(lab, lb2)
    const counted = (more: number) =>
      waitFor('the other master to be counted', () => {
        const count = router.lastFact()?.otherMasters.count ?? 0
        return count > more ? count : undefined
      })
    await counted(await counted(0))
    t.match(router.lastFact(), { state: 'master', transitions: 2, lastAdvertisement: { priority: 100 } })
    t.match(router.logged(/lower priority 100, ours 150, forcing new election/)[0], { level: 40 })

    await lb2.run('nft', ['delete table inet deaf'])
    await onlyOn(lb1)
    await keepalived.waitForOutput(/higher priority 150, ours 100/)
    const { source } = (await router.waitForState('master')) ?? {}
    const frames = await readCapture()
    sound(t, frames)
    const mac = frames.find((frame) => frame.protocol === 'vrrp' && frame.source === source)?.mac
    const announced = frames.filter((frame) => frame.protocol !== 'vrrp' && frame.mac === mac)
    t.ok(announced.length > 0, 'the addresses were announced again')
    await Promise.all([router.process.stop(), keepalived.stop()])
  })
}
