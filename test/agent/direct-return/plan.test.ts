// The plan of direct return against a host as a value: steps change it, somebody else does too, and all can be undone.

import fc from 'fast-check'
import t from 'tap'
import type { Entry } from '../../../agent/direct-return/core/entry.ts'
import { emptyMemory, isEmpty, type Memory, memoryText, parseMemory } from '../../../agent/direct-return/core/memory.ts'
import { missingFor } from '../../../agent/direct-return/core/missing.ts'
import { type Change, type Found, isSilent, planChange, type Step } from '../../../agent/direct-return/core/plan.ts'
import { devicesTo, parseRoutes, type Route } from '../../../agent/direct-return/core/routes.ts'
import { linesFor } from '../../../agent/direct-return/core/rules.ts'

const table = 'mysqlchk_direct_return'
const lan: Route = { device: 'eth0', network: 0xc6120000, mask: 0xffffff00 }
const everything: Route = { device: 'eth1', network: 0, mask: 0 }
const entry = (address = '198.18.0.100', port = 3306, serverPort = 3306): Entry => ({ address, port, serverPort })
const arp = (values: Readonly<Record<string, readonly [ignore: number, announce: number]>>): Found['settings'] =>
  new Map(
    Object.entries(values).flatMap(([device, [ignore, announce]]) => [
      [`${device}/arp_ignore`, `${ignore}`],
      [`${device}/arp_announce`, `${announce}`],
    ]),
  )
const bare: Found = {
  loopback: ['127.0.0.1', '::1'],
  settings: arp({ all: [0, 0], eth0: [0, 0], eth1: [0, 0] }),
  routes: [lan, everything],
  table: { is: 'none' },
}

/** The host after a step; what rules say is known by the entries that they are for. */
const afterStep = (host: Found, step: Step, entries: readonly Entry[]): Found => {
  switch (step.step) {
    case 'set':
      return { ...host, settings: new Map([...host.settings, [`${step.device}/${step.key}`, step.value]]) }
    case 'rules':
      return {
        ...host,
        table: entries.length === 0 ? { is: 'none' } : { is: 'ours', lines: linesFor(entries), counted: new Map() },
      }
    case 'add':
      if (host.loopback.includes(step.address)) throw new Error('RTNETLINK answers: File exists')
      return { ...host, loopback: [...host.loopback, step.address] }
    case 'remove':
      if (!host.loopback.includes(step.address)) throw new Error('RTNETLINK answers: Cannot assign requested address')
      return { ...host, loopback: host.loopback.filter((one) => one !== step.address) }
    default:
      return step satisfies never
  }
}
const carriedOut = (host: Found, { steps }: Change, entries: readonly Entry[], most = steps.length): Found =>
  steps.slice(0, most).reduce((now, step) => afterStep(now, step, entries), host)

const plan = (entries: readonly Entry[], host: Found, memory: Memory = emptyMemory): Change =>
  planChange(entries, host, memory, [], table)
const shape = (host: Found): unknown => [host.loopback.toSorted(), [...host.settings].toSorted(), host.table.is]

t.test('ARP is silenced and rules are there before the address is; it goes first', async (t) => {
  const up = plan([entry()], bare)
  t.same(
    up.steps.map(({ step, text }) => [step, text.split(' ').slice(0, 3).join(' ')]),
    [
      ['set', 'arp_ignore of eth0'],
      ['set', 'arp_announce of eth0'],
      ['rules', 'the rules are'],
      ['add', '198.18.0.100 is on'],
    ],
  )
  const down = plan([], carriedOut(bare, up, [entry()]), up.after)
  t.same(
    down.steps.map(({ step }) => step),
    ['remove', 'rules', 'set', 'set'],
  )
  t.ok(isEmpty(down.after))
})

t.test('only interfaces that face the address are silenced, and only where they are not silent already', async (t) => {
  const devices = (settings: Found['settings'], address?: string) =>
    plan([entry(address)], { ...bare, settings }).steps.flatMap((step) =>
      step.step === 'set' ? [`${step.device} ${step.key}`] : [],
    )
  t.same(devices(bare.settings, '203.0.113.7'), ['eth1 arp_ignore', 'eth1 arp_announce'], 'the default route')
  t.same(devices(bare.settings, 'fd00::7'), [], 'IPv6 has no ARP, and is silent by itself')
  t.same(devices(arp({ all: [1, 2], eth0: [0, 0] })), [], 'the larger value of all and the interface counts')
  t.same(devices(arp({ all: [0, 1], eth0: [2, 1] })), ['eth0 arp_announce'])
  t.same(devices(arp({ all: [0, 2], eth0: [4, 0] })), ['eth0 arp_ignore'], 'the kernel takes 4 to 7 for 0')
  t.same(devicesTo('198.18.0.100', [], ['eth0', 'eth1']), ['eth0', 'eth1'], 'without a route every interface')
})

t.test('an interface that is silent stays so while its route is away', async (t) => {
  const up = plan([entry()], bare)
  const host = { ...carriedOut(bare, up, [entry()]), routes: [everything] }
  const change = plan([entry()], host, up.after)
  t.same(change.after.needs.devices, ['eth0', 'eth1'])
  t.ok(change.steps.every((step) => step.step === 'set' && step.device === 'eth1' && step.value !== '0'))
})

t.test('what was there before is not ours, and stays', async (t) => {
  const host = { ...bare, loopback: [...bare.loopback, '198.18.0.100'], settings: arp({ all: [0, 0], eth0: [1, 2] }) }
  const up = plan([entry()], host)
  t.same(
    up.steps.map(({ step }) => step),
    ['rules'],
  )
  const down = plan([], carriedOut(host, up, [entry()]), up.after)
  t.same(shape(carriedOut(carriedOut(host, up, [entry()]), down, [])), shape(host))
})

t.test('a setting that somebody has changed since is theirs', async (t) => {
  const up = plan([entry()], bare)
  const host = carriedOut(bare, up, [entry()])
  const changed = { ...host, settings: new Map([...host.settings, ['eth0/arp_ignore', '2']]) }
  const down = plan([], changed, up.after)
  t.equal(carriedOut(changed, down, []).settings.get('eth0/arp_ignore'), '2')
  t.equal(carriedOut(changed, down, []).settings.get('eth0/arp_announce'), '0')
})

t.test('a foreign table of that name is not touched, and is what is missing', async (t) => {
  const host: Found = { ...bare, table: { is: 'foreign' } }
  const up = plan([entry()], host)
  t.notOk(up.steps.some(({ step }) => step === 'rules'))
  t.match(missingFor(entry(), carriedOut(host, up, [entry()]), up.after.needs.devices, table), [/not ours/])
})

t.test('what another configuration of this host needs becomes its own, and is not undone', async (t) => {
  const mine = plan([entry()], bare)
  const host = carriedOut(bare, mine, [entry()])
  const theirs = plan([entry('198.18.0.100', 3307)], host)
  const change = planChange([], host, mine.after, [{ name: '3307', memory: theirs.after }], table)
  t.same(
    change.steps.map(({ step }) => step),
    ['rules'],
    'its own rules alone',
  )
  const [heir] = change.others
  t.same(heir?.memory.addresses, ['198.18.0.100'])
  const last = plan([], { ...host, table: { is: 'none' } }, heir?.memory)
  t.same(shape(carriedOut({ ...host, table: { is: 'none' } }, last, [])), shape(bare), 'the last one undoes it')
})

const address = fc.constantFrom('198.18.0.100', '198.18.0.101', '203.0.113.7', 'fd00::7')
const entries = fc.uniqueArray(
  fc.record({ address, port: fc.constantFrom(3306, 3307), serverPort: fc.constantFrom(3306, 3310) }),
  { selector: (one) => `${one.address} ${one.port}`, maxLength: 5 },
)
const ignore = fc.constantFrom(0, 1, 2, 3, 8)
const announce = fc.constantFrom(0, 1, 2)
const hosts = fc
  .record({
    all: fc.tuple(ignore, announce),
    eth0: fc.tuple(ignore, announce),
    eth1: fc.tuple(ignore, announce),
    held: fc.subarray(['198.18.0.100', 'fd00::7']),
    routes: fc.subarray([lan, everything]),
  })
  .map(
    ({ all, eth0, eth1, held, routes }): Found => ({
      ...bare,
      loopback: [...bare.loopback, ...held],
      settings: arp({ all, eth0, eth1 }),
      routes,
    }),
  )

t.test('property: one round is enough, the next one has nothing to do, and everything is ready', async () => {
  fc.assert(
    fc.property(entries, hosts, (wanted, host) => {
      const up = plan(wanted, host)
      const now = carriedOut(host, up, wanted)
      const again = plan(wanted, now, up.after)
      const silent = up.after.needs.devices.every((device) =>
        (['arp_ignore', 'arp_announce'] as const).every((key) => isSilent(now.settings, device, key)),
      )
      const missing = wanted.flatMap((one) => missingFor(one, now, up.after.needs.devices, table))
      return again.steps.length === 0 && silent && missing.length === 0
    }),
  )
})

t.test('property: whatever was reached when it was killed, and whatever is wanted by now, all is undone', async () => {
  fc.assert(
    fc.property(hosts, entries, entries, fc.nat(9), fc.nat(9), (host, first, second, cut, cutAgain) => {
      // Killed behind some step: what was to be done is remembered, not what was.
      const one = plan(first, host)
      const broken = carriedOut(host, one, first, cut)
      const two = plan(second, broken, one.memory)
      const brokenAgain = carriedOut(broken, two, second, cutAgain)
      const down = plan([], brokenAgain, two.memory)
      return JSON.stringify(shape(carriedOut(brokenAgain, down, []))) === JSON.stringify(shape(host))
    }),
  )
})

t.test('property: what somebody takes away is put in place again, and then undone all the same', async () => {
  const theft = fc.constantFrom<(host: Found, before: Found) => Found>(
    (host) => ({ ...host, table: { is: 'none' } }),
    (host, before) => ({ ...host, loopback: before.loopback }),
    (host, before) => ({ ...host, settings: before.settings }),
  )
  fc.assert(
    fc.property(hosts, entries, fc.array(theft, { maxLength: 3 }), (host, wanted, thefts) => {
      const up = plan(wanted, host)
      const stolen = thefts.reduce((now, steal) => steal(now, host), carriedOut(host, up, wanted))
      const repair = plan(wanted, stolen, up.after)
      const repaired = carriedOut(stolen, repair, wanted)
      const down = plan([], repaired, repair.after)
      return (
        plan(wanted, repaired, repair.after).steps.length === 0 &&
        JSON.stringify(shape(carriedOut(repaired, down, []))) === JSON.stringify(shape(host))
      )
    }),
  )
})

t.test('the memory is read as it was written, and that of another network namespace is none', async (t) => {
  const { memory } = plan([entry(), entry('fd00::7')], bare)
  t.same(parseMemory(memoryText(memory, 'net:[1]'), 'net:[1]'), memory)
  t.same(parseMemory(memoryText(memory, 'net:[1]'), 'net:[2]'), emptyMemory)
  for (const text of ['', '{', 'null', '{"version":2}']) t.same(parseMemory(text, 'net:[1]'), emptyMemory)
})

t.test('routes are read as /proc/net/route has them', async (t) => {
  const text = `Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
eth1	00000000	010012C6	0003	0	0	0	00000000	0	0	0
eth0	000012C6	00000000	0001	0	0	0	00FFFFFF	0	0	0
eth2	000012C6	00000000	0201	0	0	0	00FFFFFF	0	0	0
`
  t.same(parseRoutes(text), [everything, lan], 'a route that refuses is none')
  t.same(parseRoutes('nonsense\nand more'), [])
})
