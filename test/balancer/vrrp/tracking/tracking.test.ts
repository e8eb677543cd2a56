import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { monotonicNow } from '../../../../balancer/os/clock.ts'
import type { NetworkInterface } from '../../../../balancer/os/netlink.ts'
import { type Outcome, refused } from '../../../../balancer/os/outcome.ts'
import { waitFor } from '../../../lab/wait-for.ts'
import { listenerFact } from '../../pool/listener-fact.ts'
import { start } from './stage.ts'

t.setTimeout(600_000)

const eth1 = { name: 'eth1', index: 2, mac: [], mtu: 1500, hasNeighbours: true, parentIndex: null }

t.test('an interface fails without a link, without the addresses it had, and when it is gone', async (t) => {
  const held = (address: string) => ({
    address,
    prefixLength: 24,
    interfaceIndex: 2,
    isPermanent: true,
    isForAnswers: false,
    isTentative: false,
    isDuplicate: false,
    origin: 0,
  })
  let seen: Outcome<NetworkInterface> = refused('ENODEV', 'none')
  const show = (isUp: boolean, addresses: readonly string[]): void => {
    seen = { ok: true, value: { ...eth1, isUp, addresses: addresses.map(held) } }
    tracking.networkChanged()
  }
  const { tracking } = start({ track: { serving: false, interfaces: ['eth1'] } }, { findInterface: async () => seen })
  const fault = async (expected: string | null) => {
    // What was shown is looked at before the next is.
    await setImmediate()
    await waitFor(String(expected), () => tracking.standing('V').fault === expected)
  }
  await fault('interface eth1: there is no such interface')
  show(true, [])
  await fault(null)
  show(true, ['198.18.0.101'])
  show(true, ['198.18.0.5'])
  await fault(null)
  show(true, ['198.18.0.101'])
  await fault('interface eth1: it has lost its IPv4 addresses')
  show(true, ['198.18.0.5'])
  await fault(null)
  // What every link has by itself says nothing, and IPv6 does not stand in for IPv4.
  show(true, ['fe80::5', '2001:db8::5'])
  await fault('interface eth1: it has lost its IPv4 addresses')
  show(false, ['198.18.0.5'])
  await fault('interface eth1: the link is down')
  show(true, ['198.18.0.5'])
  await fault(null)
  seen = refused('ETIMEDOUT', 'no answer')
  tracking.networkChanged()
  t.equal(tracking.standing('V').fault, null, 'no answer says nothing')
  await tracking.stop()
})

t.test('an interface that never had IPv4 is measured by its IPv6 addresses, not by the one of the link', async (t) => {
  const addressed = (addresses: readonly string[]): Outcome<NetworkInterface> => {
    const held = addresses.map((address) => ({ ...ipv6, address }))
    return { ok: true, value: { ...eth1, isUp: true, addresses: held } }
  }
  const ipv6 = {
    prefixLength: 64,
    interfaceIndex: 2,
    isPermanent: true,
    isTentative: false,
    isDuplicate: false,
    isForAnswers: false,
    origin: 0,
  }
  let seen = addressed(['fe80::5'])
  const { tracking } = start({ track: { serving: false, interfaces: ['eth1'] } }, { findInterface: async () => seen })
  const show = async (addresses: readonly string[], expected: string | null): Promise<void> => {
    seen = addressed(addresses)
    tracking.networkChanged()
    await waitFor(String(expected), () => tracking.standing('V').fault === expected)
    t.pass(`${addresses.join(' and ')}: ${expected ?? 'no fault'}`)
  }
  await show(['fe80::5'], null)
  await show(['fe80::5', '2001:db8::5'], null)
  await show(['fe80::5'], 'interface eth1: it has lost its IPv6 addresses')
  await show(['fe80::5', '2001:db8::5'], null)
  await tracking.stop()
})

t.test('serving is heard of in facts, and a sync group shares one standing', async (t) => {
  const listeners = [
    { name: 'mysql', bind: '127.0.0.1:3306', servers: [{ name: 'db1', address: '198.18.0.11:3306' }] },
    { name: 'all', bind: '0.0.0.0:3307', servers: [{ name: 'db1', address: '198.18.0.11:3306' }] },
  ]
  const { tracking, changes } = start({ track: {}, group: true, listeners })
  const beat = setInterval(() => {
    for (const one of ['director', 'proxy'] as const) {
      tracking.hear({ fact: 'heartbeat', process: one, at: monotonicNow() })
    }
  }, 200)
  t.teardown(() => clearInterval(beat))
  t.equal(tracking.standing('V').fault, null)
  tracking.hear(
    listenerFact({
      listener: 'all',
      binds: [{ address: '0.0.0.0:3307', open: false, why: 'no rules are in place' }],
    }),
  )
  await waitFor('fault', () => tracking.standing('V').fault)
  const fault = 'serving: listener all: 0.0.0.0:3307 is not open although its address is here (no rules are in place)'
  t.match(tracking.standing('W'), { fault })
  t.match(changes, [
    ['V', { fault }],
    ['W', { fault }],
  ])
  clearInterval(beat)
  await waitFor('silence', () => /director has not been heard/.test(tracking.standing('W').fault ?? ''))
  await tracking.stop()
})

t.test('a stall of this process is not taken for the silence of another', async (t) => {
  const { tracking, changes } = start({ track: {} })
  const beat = (): void => tracking.hear({ fact: 'heartbeat', process: 'director', at: monotonicNow() })
  beat()
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 4000)
  const resumedAt = monotonicNow()
  const timer = setInterval(beat, 200)
  t.teardown(() => clearInterval(timer))
  await waitFor('what is known to be looked at', () => monotonicNow() - resumedAt > 1500)
  t.same(changes, [])
  t.equal(tracking.standing('V').fault, null)
  await tracking.stop()
})
