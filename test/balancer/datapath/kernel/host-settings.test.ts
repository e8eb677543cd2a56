// Kernel settings against a model of the kernel: whatever they were, and wherever a change is cut off, they are as before at the end.

import fc from 'fast-check'
import t from 'tap'
import { forwardingDemand, pathsOf } from '../../../../balancer/datapath/kernel/core/forwarding.ts'
import {
  type HostDemand,
  noDemand,
  planSettings,
  type Remembered,
  type Step,
  unfinishedSteps,
} from '../../../../balancer/datapath/kernel/core/host-settings.ts'

const devices = ['eth0', 'eth1.100', 'lo']
const all = 'net/ipv6/conf/all/forwarding'

/** Linux: writing `all` writes every interface; switching anything on drops announced routes unless accept_ra is 2. */
const openKernel = (initial: Readonly<Record<string, string>>) => {
  const values = new Map(Object.entries(initial))
  const isTold = (device: string): boolean => {
    const accepts = values.get(`net/ipv6/conf/${device}/accept_ra`)
    return accepts === '2' || (accepts === '1' && values.get(`net/ipv6/conf/${device}/forwarding`) === '0')
  }
  const routes = new Set(devices.filter(isTold))
  return {
    values,
    routes,
    settings: { read: (key: string) => values.get(key) ?? null, devices },
    write: ({ key, value }: Step): void => {
      values.set(key, value)
      const family = /^net\/(ipv[46])\/conf\/all\/forwarding$/.exec(key)?.[1]
      if (family !== undefined) {
        for (const one of values.keys()) {
          if (one.startsWith(`net/${family}/conf/`) && one.endsWith('/forwarding')) values.set(one, value)
        }
      }
      if (!/^net\/ipv6\/.*\/forwarding$/.test(key) || value !== '1') return
      for (const device of routes) if (values.get(`net/ipv6/conf/${device}/accept_ra`) !== '2') routes.delete(device)
    },
  }
}
type Kernel = ReturnType<typeof openKernel>

/** The driver: `memory` is its file. It may be cut off before any of its writes. */
const bring = (kernel: Kernel, demand: HostDemand, memory: readonly Remembered[], cutAt = Number.POSITIVE_INFINITY) => {
  for (const step of unfinishedSteps(memory, kernel.settings)) kernel.write(step)
  const change = planSettings(
    demand,
    memory.filter(({ ours }) => ours !== null),
    kernel.settings,
  )
  for (const step of change.steps.slice(0, cutAt)) kernel.write(step)
  return { ...change, left: cutAt >= change.steps.length ? change.after : change.memory }
}

const hostOf = (own: Readonly<Record<string, string>>): Record<string, string> => ({
  'net/netfilter/nf_conntrack_acct': '0',
  'net/netfilter/nf_conntrack_timestamp': '0',
  ...Object.fromEntries(
    [...devices, 'all', 'default'].flatMap((device) => [
      [`net/ipv4/conf/${device}/forwarding`, '0'],
      [`net/ipv6/conf/${device}/forwarding`, '0'],
      [`net/ipv6/conf/${device}/accept_ra`, '1'],
    ]),
  ),
  ...own,
})

const demand: HostDemand = {
  forwarding: { ipv4: ['eth0'], ipv6: ['eth0', 'eth1.100'] },
  accounting: true,
  timestamps: false,
  events: false,
}

t.test('forwarding of the interfaces that need it, and of no other', async (t) => {
  const kernel = openKernel(hostOf({ 'net/ipv6/conf/eth0/force_forwarding': '0' }))
  const { memory, steps, routesEverything } = bring(
    kernel,
    { ...demand, forwarding: { ipv4: ['eth0'], ipv6: ['eth0'] } },
    [],
  )
  t.same(steps, [
    { key: 'net/ipv4/conf/eth0/forwarding', value: '1' },
    { key: 'net/ipv6/conf/eth0/force_forwarding', value: '1' },
    { key: 'net/netfilter/nf_conntrack_acct', value: '1' },
  ])
  t.equal(routesEverything, false)
  t.same(
    memory.map(({ before, ours }) => [before, ours]),
    steps.map(() => ['0', '1']),
  )
})

t.test(
  'an older kernel forwards IPv6 everywhere or nowhere; its interfaces stay hosts and keep the routes they were told',
  async (t) => {
    const kernel = openKernel(hostOf({}))
    const { routesEverything, left } = bring(kernel, demand, [])
    t.equal(routesEverything, true)
    t.equal(kernel.values.get(all), '1')
    for (const device of [...devices, 'default']) {
      t.equal(kernel.values.get(`net/ipv6/conf/${device}/forwarding`), '0', device)
      t.equal(kernel.values.get(`net/ipv6/conf/${device}/accept_ra`), '1', device)
    }
    t.equal(kernel.routes.size, devices.length)
    t.same(bring(kernel, demand, left).steps, [], 'a second start finds nothing to do')
    t.same(bring(kernel, demand, left).left, left, 'and forgets nothing')
  },
)

t.test('a host that forwards IPv6 already is left alone', async (t) => {
  const kernel = openKernel(hostOf({ [all]: '1' }))
  t.notOk(bring(kernel, demand, []).steps.some(({ key }) => key.startsWith('net/ipv6/')))
})

t.test('what somebody sets back is set again, and what was before is remembered as it was', async (t) => {
  const kernel = openKernel(hostOf({}))
  const { left } = bring(kernel, demand, [])
  kernel.write({ key: all, value: '0' })
  kernel.write({ key: 'net/ipv4/conf/eth0/forwarding', value: '0' })
  const again = bring(kernel, demand, left)
  t.equal(kernel.values.get(all), '1')
  t.equal(kernel.values.get('net/ipv4/conf/eth0/forwarding'), '1')
  t.same(again.left, left)
})

t.test('an interface that is not needed any more is put back alone', async (t) => {
  const kernel = openKernel(hostOf({}))
  const before = { ...demand, forwarding: { ipv4: ['eth0', 'eth1.100'], ipv6: [] } }
  const { left } = bring(kernel, before, [])
  const { steps } = bring(kernel, { ...before, forwarding: { ipv4: ['eth1.100'], ipv6: [] } }, left)
  t.same(steps, [{ key: 'net/ipv4/conf/eth0/forwarding', value: '0' }])
})

t.test('who made this host a router meanwhile keeps it', async (t) => {
  const kernel = openKernel(hostOf({}))
  const { left } = bring(kernel, demand, [])
  for (const family of ['ipv4', 'ipv6']) kernel.write({ key: `net/${family}/conf/all/forwarding`, value: '1' })
  bring(kernel, noDemand, left)
  t.equal(kernel.values.get('net/ipv4/conf/eth0/forwarding'), '1')
  t.equal(kernel.values.get(all), '1')
  t.equal(kernel.values.get('net/netfilter/nf_conntrack_acct'), '0')
})

t.test('an interface that is gone, or is not there yet, is no failure', async (t) => {
  const kernel = openKernel(hostOf({}))
  const missing = { ...demand, forwarding: { ipv4: ['eth7'], ipv6: [] } }
  t.same(
    bring(kernel, missing, []).steps.map(({ key }) => key),
    ['net/netfilter/nf_conntrack_acct'],
  )
  const gone: Remembered = { key: 'net/ipv4/conf/eth9/forwarding', before: '0', ours: '1' }
  t.same(bring(kernel, noDemand, [gone]), { memory: [gone], steps: [], after: [], left: [], routesEverything: false })
})

const bit = fc.constantFrom('0', '1')
const hosts = fc
  .record({
    forwards: fc.tuple(bit, bit, bit, bit),
    accepts: fc.tuple(fc.constantFrom('0', '1', '2'), fc.constantFrom('0', '1', '2'), fc.constantFrom('0', '1', '2')),
    routes6: bit,
    force: fc.boolean(),
    cuts: fc.array(fc.nat(14), { maxLength: 3 }),
    cutAtTheEnd: fc.option(fc.nat(14)),
  })
  .map((host) => ({
    ...host,
    initial: hostOf({
      ...Object.fromEntries(
        devices.flatMap((device, i) => [
          [`net/ipv6/conf/${device}/forwarding`, host.forwards[i] ?? '0'],
          [`net/ipv6/conf/${device}/accept_ra`, host.accepts[i] ?? '1'],
          ...(host.force ? [[`net/ipv6/conf/${device}/force_forwarding`, '0']] : []),
        ]),
      ),
      'net/ipv4/conf/eth0/forwarding': host.forwards[3],
      // Who switched it on for all has it as the default.
      ...(host.routes6 === '1' ? { [all]: '1', 'net/ipv6/conf/default/forwarding': '1' } : {}),
    }),
  }))

t.test(
  'after any starts that were cut off, a whole one and a stop, the host is as it was, and has its routes',
  async (t) => {
    fc.assert(
      fc.property(hosts, ({ initial, cuts, cutAtTheEnd }) => {
        const kernel = openKernel(initial)
        const routes = new Set(kernel.routes)
        let memory: readonly Remembered[] = []
        for (const cut of cuts) memory = bring(kernel, demand, memory, cut).left
        memory = bring(kernel, demand, memory).left
        if (kernel.values.get('net/ipv4/conf/eth0/forwarding') !== '1') throw new Error('IPv4 is not forwarded')
        const forced = ['eth0', 'eth1.100'].every(
          (one) => kernel.values.get(`net/ipv6/conf/${one}/force_forwarding`) === '1',
        )
        if (kernel.values.get(all) !== '1' && !forced) throw new Error('IPv6 is not forwarded')
        if (cutAtTheEnd !== null) memory = bring(kernel, noDemand, memory, cutAtTheEnd).left
        memory = bring(kernel, noDemand, memory).left
        if (memory.length > 0) throw new Error('something is still remembered')
        const other = Object.entries(initial).filter(([key, value]) => kernel.values.get(key) !== value)
        if (other.length > 0) throw new Error(`not as before: ${other.join(' ')}`)
        if (kernel.routes.size !== routes.size) throw new Error('routes were lost')
      }),
      { numRuns: 500 },
    )
    t.pass('500 hosts')
  },
)

t.test('packets come in where clients are, and where answers are', async (t) => {
  const routes = [
    { family: 'ipv4', network: '0.0.0.0', prefixLength: 0, device: 'wan', metric: 0 },
    { family: 'ipv4', network: '10.1.0.0', prefixLength: 16, device: 'lan', metric: 0 },
    { family: 'ipv4', network: '10.1.6.0', prefixLength: 24, device: 'db', metric: 20 },
    { family: 'ipv4', network: '10.1.6.0', prefixLength: 24, device: 'slow', metric: 100 },
    { family: 'ipv6', network: '2001:db8::', prefixLength: 32, device: 'six', metric: 1024 },
  ] as const
  const host = {
    routes,
    places: [{ address: '10.9.9.9', devices: ['eth0', 'vrrp.51.eth0'] }],
    addresses: [{ address: '10.1.6.203', device: 'db' }],
  }
  const cases = [
    { binds: ['10.9.9.9'], servers: ['10.1.6.205'], ipv4: ['db', 'eth0', 'vrrp.51.eth0'], ipv6: [] },
    { binds: ['10.1.6.203'], servers: ['10.1.6.203'], ipv4: ['db'], ipv6: [] },
    { binds: ['10.9.9.9'], servers: ['10.1.7.1', '192.0.2.1'], ipv4: ['eth0', 'lan', 'vrrp.51.eth0', 'wan'], ipv6: [] },
    { binds: ['2001:db8::1'], servers: ['2001:db8::2'], ipv4: [], ipv6: ['six'] },
    { binds: ['2001:db9::1'], servers: ['2001:db9::2'], ipv4: [], ipv6: [] },
  ]
  for (const { binds, servers, ...wanted } of cases) {
    const at = (addresses: readonly string[], port: number) => addresses.map((address) => ({ address, port }))
    t.same(forwardingDemand([{ binds: at(binds, 3366), servers: at(servers, 3306) }], host), wanted)
  }
  const bind = { address: '10.9.9.9', port: 3366 }
  const servers = [
    { address: '10.1.6.203', port: 3306 },
    { address: '192.0.2.1', port: 3306 },
    { address: '2001:db8::1', port: 3306 },
  ]
  t.same(
    pathsOf([{ binds: [bind], servers }], host).map(({ server, clientSide, serverSide, isServerHere }) => [
      server.address,
      clientSide,
      serverSide,
      isServerHere,
    ]),
    [
      ['10.1.6.203', 'eth0', null, true],
      ['10.1.6.203', 'vrrp.51.eth0', null, true],
      ['192.0.2.1', 'eth0', 'wan', false],
      ['192.0.2.1', 'vrrp.51.eth0', 'wan', false],
    ],
  )
})
