import fc from 'fast-check'
import t from 'tap'
import { vrrpSchema } from '../../../../balancer/config/vrrp-schema.ts'
import { outlookOf, type Prospect } from '../../../../balancer/vrrp/core/outlook.ts'
import { prospectsOf } from '../../../../balancer/vrrp/prospects.ts'

const router = (change: Partial<Prospect> & { readonly weight?: number }): Prospect => ({
  name: 'V',
  priority: 101,
  preempt: true,
  peer: { priority: 100, preempt: true },
  watched: [{ name: 'script chk fails', weight: change.weight ?? -2, kind: 'state' }],
  ...change,
})

t.test('each failure is told with what it leads to', async (t) => {
  const cases: readonly (readonly [Parameters<typeof router>[0], boolean, string])[] = [
    [{ weight: 0 }, false, 'V: script chk fails: FAULT, gives the address up at once'],
    [
      {},
      false,
      "V: script chk fails: priority 101 -> 99: below the peer's 100: the peer takes over; after recovery this host takes it back",
    ],
    [{ preempt: false }, false, 'the peer takes over; after recovery it stays there'],
    [
      { peer: { priority: 90, preempt: true } },
      true,
      "V: script chk fails: priority 101 -> 99: still above the peer's 90: this failure moves nothing",
    ],
    [{ peer: { priority: 99, preempt: true } }, true, "equal to the peer's 99"],
    [{ peer: { priority: 100, preempt: false } }, true, 'but the peer does not preempt: it takes over only if'],
    [
      {
        peer: { priority: 100, preempt: false },
        watched: [{ name: 'no server up', weight: -50, kind: 'state', isShared: true }],
      },
      true,
      'the peer does not preempt, and nothing is handed over for what it may see too: this failure moves nothing',
    ],
    [{ peer: { priority: 150, preempt: true } }, false, "below the peer's 150 before and after"],
    [{ peer: { priority: 150, preempt: false } }, true, "below the peer's 150 before and after, but the peer does not"],
    [{ peer: null }, false, 'priority 101 -> 99: a peer of priority 100 or more takes over, a lower one does not'],
    [{ weight: 5, priority: 98 }, false, "priority 103 -> 98: below the peer's 100: the peer takes over"],
    [{ weight: 5, priority: 254 }, true, 'priority stays 254'],
    [{ weight: -5, priority: 1 }, true, 'priority stays 1'],
    [{ weight: -5, priority: 255 }, true, 'the address owner (priority 255) keeps its priority'],
    [{ watched: [{ name: 'file f', weight: 2, kind: 'file' }] }, false, 'V: file f: its number times 2 is added'],
    [{ watched: [{ name: 'file f', weight: 0, kind: 'file' }] }, false, 'any number but 0 is FAULT'],
  ]
  for (const [change, isWarning, text] of cases) {
    const [first] = outlookOf(router(change))
    t.equal(first?.isWarning, isWarning, text)
    t.ok(first?.text.includes(text), `${first?.text}`)
  }
})

t.test('whatever adds elsewhere counts as well', async (t) => {
  const watched = [
    { name: 'a', weight: 10, kind: 'state' },
    { name: 'b', weight: -5, kind: 'state' },
  ] as const
  t.match(outlookOf(router({ watched })), [{ text: /priority 111 -> 101/ }, { text: /priority 111 -> 106/ }])
})

t.test('a weighted failure moves the address exactly when it ends below a peer that was not above', async (t) => {
  const priority = fc.integer({ min: 1, max: 254 })
  const weight = fc.integer({ min: -253, max: 253 }).filter((value) => value !== 0)
  fc.assert(
    fc.property(priority, priority, weight, (own, other, given) => {
      const [first] = outlookOf(router({ priority: own, peer: { priority: other, preempt: true }, weight: given }))
      const limited = (value: number) => Math.min(254, Math.max(1, value))
      const well = limited(own + Math.max(0, given))
      const failed = limited(own + Math.max(0, given) - Math.abs(given))
      const moves = failed < other && well >= other && failed !== well
      return moves === (first?.text.includes('the peer takes over') === true)
    }),
  )
  t.pass()
})

t.test('a configuration is read with its defaults, and a sync group shares what its members track', async (t) => {
  const one = { interface: 'eth0', virtual_router_id: 1, virtual_addresses: ['198.18.0.100/24'] }
  const vrrp = vrrpSchema.parse({
    instances: [
      { ...one, name: 'V', track: { scripts: ['chk'], processes: ['p'], files: ['f'] }, peer: { priority: 90 } },
      { ...one, name: 'W', interface: 'eth1', track: { serving: false, scripts: [{ script: 'chk', weight: -3 }] } },
    ],
    sync_groups: [{ name: 'G', instances: ['V', 'W'] }],
    scripts: [{ name: 'chk', command: ['/bin/true'], weight: -2 }],
    track_processes: [{ name: 'p', process: 'sshd' }],
    track_files: [{ name: 'f', path: '/run/f' }],
  })
  const [first, second] = prospectsOf(vrrp)
  const expected = [
    { name: 'interface eth0 down', weight: 0 },
    { name: 'this host does not serve', weight: 0 },
    { name: 'no server up', weight: -50, isShared: true },
    { name: 'script chk fails', weight: -3 },
    { name: 'file f', weight: 1, kind: 'file' },
    { name: 'process p missing', weight: 0 },
    { name: 'interface eth1 down', weight: 0 },
  ]
  t.match(first, { name: 'V', peer: { priority: 90, preempt: true }, watched: expected })
  t.match(second, { name: 'W', peer: null, watched: expected })
})
