import t from 'tap'
import { listenerSchema } from '../../../../balancer/config/listener-schema.ts'
import { millis } from '../../../../balancer/core/time.ts'
import type { Fact, HeartbeatFact } from '../../../../balancer/pool/core/facts.ts'
import {
  concernedListeners,
  type Known,
  nothingKnown,
  servingOf,
  withBinds,
  withFact,
  withSupplies,
} from '../../../../balancer/vrrp/core/serving.ts'
import { healthFact } from '../../pool/health-fact.ts'

type Watched = HeartbeatFact['process']

const vip = '198.18.0.100'
const mysql = listenerSchema.parse({
  name: 'mysql',
  bind: `${vip}:3306`,
  servers: [
    { name: 'db1', address: '198.18.0.11:3306' },
    { name: 'db2', address: '198.18.0.12:3306' },
  ],
})
const everywhere = listenerSchema.parse({ ...raw('all', '0.0.0.0:3307') })
const elsewhere = listenerSchema.parse({ ...raw('else', '198.18.0.9:3306') })

function raw(name: string, bind: string) {
  return { name, bind, servers: [{ name: 'db1', address: '198.18.0.11:3306' }] }
}

const beat = (process: Watched, at: number): Fact => ({ fact: 'heartbeat', process, at: millis(at) })
const died = (process: Watched, at: number): Fact => ({
  fact: 'process',
  process,
  running: false,
  at: millis(at),
})
const processes = ['director', 'proxy', 'kernel'] as const

/** What a forwarder says that knows no numbers. */
const bindFact = (open: boolean, why: string | null = null): Fact => ({
  fact: 'listener',
  listener: 'mysql',
  datapath: 'userspace',
  binds: [{ address: `${vip}:3306`, open, why }],
  sessions: null,
  maximumSessions: null,
  totalSessions: null,
  panicking: false,
  ends: {},
  servers: [],
  detail: null,
})
const health = (server: string, up: boolean, counters: readonly (number | null)[] = [1]): Fact =>
  healthFact(server, { up, counters })

/** One host whose processes beat every 500 ms unless they are silent, with these listeners. */
const host = (silent: readonly Watched[] = [], own = [mysql]) => {
  let known: Known = nothingKnown(millis(0))
  let isHere = false
  let now = 0
  const look = (listeners = own) => {
    known = withBinds(known, listeners, (address) => isHere && address === vip, millis(now))
    known = withSupplies(known, listeners, () => isHere, millis(now))
    return servingOf(known, listeners, millis(now))
  }
  const hear = (...facts: readonly Fact[]) => {
    for (const fact of facts) known = withFact(known, fact, millis(now))
  }
  const until = (end: number) => {
    for (; now + 100 <= end; ) {
      now += 100
      if (now % 500 === 0) for (const p of processes) if (!silent.includes(p)) hear(beat(p, now))
      look()
    }
    return look()
  }
  const setHere = (here: boolean): void => {
    isHere = here
  }
  return { hear, until, look, setHere }
}

t.test('nothing known counts as serving for three seconds, and not longer', async (t) => {
  const lonely = host(['director', 'proxy'])
  t.match(lonely.until(2900), { host: { ok: true }, servers: { ok: null }, lookAgainAt: 3000 })
  t.match(lonely.until(3000), { host: { ok: false, text: /director has not been heard.*proxy has not been heard/ } })
})

t.test('each process must be heard, the proxy only where a listener is concerned', async (t) => {
  t.match(host().until(20_000), { host: { ok: true } })
  t.match(host(['director']).until(20_000), { host: { ok: false, text: /^the process director has not/ } })
  const proxyless = host(['proxy'])
  t.match(proxyless.until(20_000), { host: { ok: false, text: /^the process proxy has not/ } })
  t.match(proxyless.look([]), { host: { ok: true } }, 'no listener on the addresses: sessions are not its business')
})

t.test('a proxy that died has half a second to come back', async (t) => {
  const one = host(['proxy'])
  one.hear(beat('proxy', 0), bindFact(false), died('proxy', 0))
  t.match(one.until(400), { host: { ok: true }, lookAgainAt: 500 })
  t.match(one.until(500), { host: { ok: false, text: 'the process proxy died and is not back' } })
  one.hear(beat('proxy', 500))
  t.match(one.until(600), { host: { ok: true } }, 'it is heard again')

  const quick = host()
  quick.hear(died('proxy', 0))
  quick.until(300)
  quick.hear(beat('proxy', 300))
  t.match(quick.until(2000), { host: { ok: true } })
})

t.test('the forwarder of each datapath must be heard where a listener of it is concerned', async (t) => {
  const inKernel = { ...everywhere, datapath: 'kernel' } as const
  const both = host(['proxy'], [inKernel, mysql])
  t.match(both.until(20_000), { host: { ok: false, text: /^the process proxy has not/ } })
  t.match(both.look([inKernel]).host.text, /^listener all: .* is not open/, 'the proxy is none of its business')
  const silent = host(['kernel'], [inKernel])
  t.match(silent.until(20_000), { host: { ok: false, text: /^the process kernel has not been heard for 3 s/ } })
  t.match(silent.look([mysql]), { host: { ok: true } })
})

t.test(
  'rules in the kernel and a director that died have ten seconds to come back, one that hangs has three',
  async (t) => {
    const inKernel = { ...mysql, datapath: 'kernel' } as const
    for (const name of ['kernel', 'director'] as const) {
      const one = host([name], [inKernel])
      one.hear(beat(name, 0), bindFact(true), died(name, 0))
      t.match(one.until(9900), { host: { ok: true }, lookAgainAt: 10_000 })
      t.match(one.until(10_000), {
        host: { ok: false, text: `the process ${name} died and has not been back for 10 s` },
      })
      one.hear(beat(name, 10_000))
      t.match(one.until(12_900), { host: { ok: true } })
      t.match(one.until(13_000), { host: { ok: false, text: `the process ${name} has not been heard for 3 s` } })
    }
  },
)

t.test('servers that an operator took out are no outage, unless the last one to go failed', async (t) => {
  const orders = [{ admin: 'drain' }, { weight: 0 }, { draining: true }, { up: false, refusing: true }] as const
  const out = (server: string, since: number) =>
    healthFact(server, { up: false, admin: 'maint', since, counters: [null] })
  const failed = (server: string, since: number) => healthFact(server, { up: false, since })
  const verdict = (...facts: readonly Fact[]) => {
    const one = host()
    one.hear(...facts)
    return one.look().servers.ok
  }
  for (const order of orders) t.equal(verdict(failed('db1', 9), healthFact('db2', order)), true, JSON.stringify(order))
  t.equal(verdict(out('db1', 1), out('db2', 2)), true, 'all in maintenance')
  t.equal(verdict(failed('db1', 1), out('db2', 2)), true, 'the last one went into maintenance')
  t.equal(verdict(failed('db1', 2), out('db2', 1)), false, 'one is in maintenance for long, now the other failed')
  t.equal(verdict(healthFact('db1', { up: false, admin: 'drain' }), failed('db2', 1)), false, 'drained, and dead')
})

t.test('listeners on the address or on all addresses are concerned, others are not', async (t) => {
  const all = [mysql, everywhere, elsewhere]
  t.same(concernedListeners(all, new Set([vip])), [mysql, everywhere])
  t.same(concernedListeners(all, new Set(['198.18.0.9'])), [everywhere, elsewhere])
})
