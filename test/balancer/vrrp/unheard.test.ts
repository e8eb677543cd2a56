import t from 'tap'
import { createLab } from '../../lab/lab.ts'
import { waitFor } from '../../lab/wait-for.ts'
import { instance, type Router, startRouter, virtualAddress } from './router.ts'

t.setTimeout(600_000)
const lab = await createLab({ name: 'vrrp-mute' })
t.teardown(() => lab.destroy())
const lb1 = await lab.addHost('lb1', '198.18.0.1/24')
const lb2 = await lab.addHost('lb2', '198.18.0.2/24')
const vip = `${virtualAddress.address}/${virtualAddress.prefixLength}`
const holds = async (host: typeof lb1): Promise<boolean> => (await host.addresses()).includes(vip)

const filter = 'table inet mute { chain output { type filter hook output priority 0; meta l4proto 112 drop; }; }'
/** Each fact that is published again is a second: many master down intervals. */
const seconds = (router: Router, count: number) => {
  const seen = router.process.lines().length
  return waitFor(`${count} s`, () => router.process.lines().length >= seen + count)
}

t.test(
  'a master whose own host drops its advertisements keeps the address alone, and yields to who takes over',
  async (t) => {
    const first = startRouter(lb1, instance({ priority: 150 }))
    await first.waitForState('master')
    t.equal((await lb1.run('nft', [filter])).stderr, '')
    await waitFor('an error in the log', () => first.logged(/cannot send on eth0: Operation not permitted/).length > 0)
    const { transitions } = first.lastFact() ?? {}
    await seconds(first, 3)
    t.match(first.lastFact(), { state: 'master', transitions }, 'nobody else is there')
    t.ok(await holds(lb1))

    const second = startRouter(lb2, instance({ priority: 100 }))
    await second.waitForState('master')
    const fact = await first.waitForState('backup')
    t.match(fact.reason, /lower priority 100, ours 150; ours do not go out: it cannot know of us$/)
    await waitFor('the address to be on lb2 alone', async () => (await holds(lb2)) && !(await holds(lb1)))
    const { transitions: moved } = first.lastFact() ?? {}
    await seconds(first, 3)
    t.match(first.lastFact(), { state: 'backup', transitions: moved }, 'it preempts nobody whom it could not tell')

    await lb1.run('nft', ['delete table inet mute'])
    await second.process.kill()
    await first.waitForState('master')
    const third = startRouter(lb2, instance({ priority: 200 }))
    await third.waitForState('master')
    await first.waitForState('backup')
    await Promise.all([first, third].map((one) => one.process.stop()))
  },
)
