// Against a live keepalived, every way of speaking: as master, as backup, handing over both ways. tshark reads along.

import t from 'tap'
import { waitFor } from '../../lab/wait-for.ts'
import { capture } from './capture.ts'
import { ipv6, openDuel, ways } from './duel.ts'
import { startRouter } from './router.ts'

t.setTimeout(600_000)
t.jobs = 4

for (const way of ways) {
  t.test(way.name, { buffered: true }, async (t) => {
    const { ours } = way
    const { lab, lb1, lb2, config, startOther, onlyOn } = await openDuel(way)
    t.teardown(() => lab.destroy())

    const keepalived = await startOther()
    await keepalived.waitForOutput(/Entering MASTER STATE/)
    const readCapture = await capture(lab, lb2)
    const router = startRouter(lb1, config(150))
    const { source } = await router.waitForState('master')
    await keepalived.waitForOutput(/Master received advert from \S+ with higher priority 150, ours 100/)
    await onlyOn(lb1)
    t.match(router.lastFact(), { lastAdvertisement: { priority: 100 }, transitions: 2 })
    t.same(router.lastFact()?.dropped, {})
    await waitFor('some advertisements', () => (router.lastFact()?.sent ?? 0) > 3)

    t.match(await router.process.stop(), { code: 0 })
    await keepalived.waitForOutput(/Backup received priority 0 advertisement/)
    await onlyOn(lb2)
    const frames = await readCapture()
    const sent = frames.filter((frame) => frame.protocol === 'vrrp' && frame.source === source)
    t.ok(sent.length > 3, `${sent.length} advertisements from ${source}`)
    for (const frame of sent) t.match(frame, { ttl: '255', tos: /^0x(0*)c0$/, checksum: '1', complaint: '' })
    t.equal(sent.at(-1)?.priority, '0', 'the last one resigns')
    const first = frames.findIndex((frame) => frame.protocol === 'vrrp' && frame.source === source)
    const announced = frames
      .slice(0, first)
      .filter(({ protocol, mac }) => protocol !== 'vrrp' && mac === frames[first]?.mac)
    t.ok(announced.length > 0, 'the addresses are announced before the first advertisement')
    if (ours.virtual_mac) {
      const family = way.theirs.addresses === ipv6 ? '02' : '01'
      const macs = new Set(
        frames.filter((frame) => frame.source === source && frame.protocol === 'vrrp').map(({ mac }) => mac),
      )
      t.same([...macs], [`00:00:5e:00:${family}:33`], 'all from the virtual MAC address')
    }

    const follower = startRouter(lb1, config(90))
    await waitFor('advertisements to be heard', () => (follower.lastFact()?.received ?? 0) > 2)
    t.match(follower.lastFact(), { state: 'backup', sent: 0, dropped: {} })
    await onlyOn(lb2)
    await keepalived.stop()
    t.match(await follower.waitForState('master'), { lastAdvertisement: { priority: 0 } })
    await onlyOn(lb1)
    const returned = await startOther({ nopreempt: true })
    await returned.waitForOutput(/Entering BACKUP STATE/)
    await follower.process.stop()
    await onlyOn(lb2)
    t.notMatch([...keepalived.lines(), ...returned.lines()].join('\n'), /checksum|invalid|incorrect|wrong/i)
    await returned.stop()
  })
}
