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
import { listenerFact } from '../../pool/listener-fact.ts'

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
const bindFact = (open: boolean, why: string | null = null): Fact =>
  listenerFact({ binds: [{ address: `${vip}:3306`, open, why }] })
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
  'a director that died, and the process of rules, have twenty seconds to come back; one that hangs has three',
  async (t) => {
    const inKernel = { ...mysql, datapath: 'kernel' } as const
    for (const name of ['kernel', 'director'] as const) {
      const one = host([name], [inKernel])
      one.hear(beat(name, 0), bindFact(true), died(name, 0))
      t.match(one.until(19_900), { host: { ok: true }, lookAgainAt: 20_000 })
      t.match(one.until(20_000), {
        host: { ok: false, text: `the process ${name} died and has not been back for 20 s` },
      })
      one.hear(beat(name, 20_000))
      t.match(one.until(22_900), { host: { ok: true } })
      t.match(one.until(23_000), { host: { ok: false, text: `the process ${name} has not been heard for 3 s` } })
    }
  },
)

t.test('why a bind is not open is told', async (t) => {
  const one = host()
  one.hear(bindFact(false, 'forwarding is off on eth1'))
  one.setHere(true)
  one.look()
  const text = `listener mysql: ${vip}:3306 is not open although its address is here (forwarding is off on eth1)`
  t.match(one.until(1000), { host: { ok: false, text } })
})

t.test('a beat from before the death proves nothing, nor does one that arrives late', async (t) => {
  const one = host(['proxy', 'director'])
  one.hear(beat('director', 0), beat('proxy', 0), died('proxy', 10), beat('proxy', 5))
  t.match(one.until(700), { host: { ok: false } })
  const late = host(['proxy', 'director'])
  late.until(5000)
  late.hear(beat('director', 1000), beat('proxy', 1000))
  t.match(late.look(), { host: { ok: false } }, 'what was said four seconds ago')
  late.hear(beat('director', 9000), beat('proxy', 9000))
  t.match(late.until(7900), { host: { ok: true } })
  t.match(late.until(8000), { host: { ok: false } }, 'the future is now at most')
})

t.test('a bind waits for an address that is not here, and must open when it is', async (t) => {
  const one = host()
  one.hear(bindFact(false))
  t.match(one.until(10_000), { host: { ok: true } })
  one.setHere(true)
  one.look()
  t.match(one.until(10_400), { host: { ok: true }, lookAgainAt: 10_500 })
  t.match(one.until(10_500), { host: { ok: false, text: /mysql: 198.18.0.100:3306 is not open although/ } })
})

t.test('a bind that opens in time is no failure, one that closes is', async (t) => {
  const one = host()
  one.hear(bindFact(false))
  one.until(1000)
  one.setHere(true)
  one.until(1300)
  one.hear(bindFact(true))
  t.match(one.until(9000), { host: { ok: true } })
  one.hear(bindFact(false))
  t.match(one.until(9700), { host: { ok: false, text: /^listener mysql: 198.18.0.100:3306 is not open/ } })
})

t.test('a failed bind is not trusted again for a minute after the address is gone, unless it opens', async (t) => {
  const failed = () => {
    const one = host()
    one.hear(bindFact(false))
    one.setHere(true)
    one.until(1000)
    return one
  }
  const gone = failed()
  gone.setHere(false)
  gone.hear(bindFact(false))
  t.match(gone.until(60_900), { host: { ok: false, text: /^listener mysql: .* is not open/ }, lookAgainAt: 61_000 })
  t.match(gone.until(61_000), { host: { ok: true } })
  const opened = failed()
  opened.hear(bindFact(true))
  t.match(opened.look(), { host: { ok: true } })
})

t.test('an address that leaves before the bind had its time leaves no mark', async (t) => {
  const one = host()
  one.hear(bindFact(false))
  one.setHere(true)
  one.until(300)
  one.setHere(false)
  t.match(one.until(2000), { host: { ok: true } })
})

t.test('a listener that nobody told of counts as not open, after the start', async (t) => {
  const one = host()
  one.setHere(true)
  t.match(one.until(3000), { host: { ok: true } })
  t.match(one.until(3500), { host: { ok: false, text: /is not open/ } })
})

t.test('no server up is said only when all have had their first check', async (t) => {
  const one = host()
  one.hear(health('db1', false))
  t.match(one.look(), { servers: { ok: null } }, 'db2 is not known')
  one.hear(health('db2', false, [null]))
  t.match(one.look(), { servers: { ok: null } }, 'db2 is not checked')
  one.hear(health('db2', false))
  t.match(one.look(), { host: { ok: true }, servers: { ok: false, text: 'listener mysql has no server available' } })
  const other = host()
  other.hear(health('db1', true), health('db2', false))
  t.match(other.look(), { servers: { ok: true } })
})

/** A host that had a server a moment ago. */
const supplied = (holds: boolean) => {
  const one = host()
  one.setHere(holds)
  one.hear(bindFact(true), health('db1', true), health('db2', false))
  one.until(1000)
  return one
}

t.test('the end of the last server is believed at once by who has no address, and late by who has it', async (t) => {
  const [holder, other] = [supplied(true), supplied(false)]
  for (const one of [holder, other]) one.hear(health('db1', false))
  t.match(other.look(), { servers: { ok: false } })
  t.match(holder.look(), { servers: { ok: true } })
  t.match(holder.until(5900), { servers: { ok: true } }, 'as long as clients wait')
  t.match(holder.until(6000), { host: { ok: true }, servers: { ok: false } })
  other.setHere(true)
  t.match(other.look(), { servers: { ok: false } }, 'who takes over does not doubt what it knew')
})

t.test('its return is believed at once by who has the address, and late by who has not', async (t) => {
  const [holder, other] = [supplied(true), supplied(false)]
  for (const one of [holder, other]) {
    one.hear(health('db1', false))
    one.until(9000)
    one.hear(health('db1', true))
  }
  t.match(holder.look(), { servers: { ok: true } })
  t.match(other.look(), { servers: { ok: false }, lookAgainAt: 12_000 })
  other.setHere(true)
  t.match(other.look(), { servers: { ok: true } }, 'it took the address over meanwhile')
})

t.test('a restart that is over sooner than both hosts can have seen it changes nothing', async (t) => {
  const holder = supplied(true)
  for (const up of [false, true, false, true]) {
    holder.hear(health('db1', up))
    t.match(holder.until(up ? 6000 : 3500), { servers: { ok: true } })
  }
})

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
  const both = listenerSchema.parse(raw('both', '[::]:3308'))
  const six = listenerSchema.parse(raw('six', '[2001:db8:0::100]:3306'))
  t.same(concernedListeners([...all, both, six], new Set(['2001:db8::100'])), [both, six])
  t.same(concernedListeners([...all, both, six], new Set([vip])), [mysql, everywhere, both])
})
