// What becomes of what arrives: each drop reason, and what it means for a backup that would take over.

import t from 'tap'
import { millis } from '../../../../balancer/core/time.ts'
import { type Advertisement, encodeAdvertisement, type Wire } from '../../../../balancer/vrrp/core/advertisement.ts'
import type { Datagram } from '../../../../balancer/vrrp/core/datagram.ts'
import {
  type Conflict,
  type Decoded,
  dropReasons,
  type Expectation,
  receiveAdvertisement,
} from '../../../../balancer/vrrp/core/reception.ts'
import { arrived, expected, own, wire } from './datagrams.ts'

t.test('drops are named by the first check that fails, in the order of the RFCs', async (t) => {
  const encode = (advertisement: Partial<Advertisement>, onWire: Partial<Wire> = {}): Uint8Array =>
    encodeAdvertisement({ ...own, ...advertisement }, { ...wire, ...onWire })
  const patched = (bytes: Uint8Array, offset: number, value: number): Uint8Array =>
    Uint8Array.from(bytes, (byte, i) => (i === offset ? value : byte))
  const whole = encode({})
  const far = { ...arrived(new Uint8Array(3), wire), isFar: true, isOnLink: false }
  const v3 = { ...expected, version: 3 as const }
  const unicast = { ...expected, peers: ['192.0.2.9'] }
  const cases: readonly (readonly [string, Datagram, Expectation])[] = [
    ['ttl', far, expected],
    ['destination', { ...arrived(whole, wire), destination: '192.0.2.252' }, expected],
    ['destination', arrived(whole, wire), unicast],
    ['source', { ...arrived(whole, wire), source: '192.0.2.252' }, expected],
    ['peer', { ...arrived(whole, wire), destination: '192.0.2.252' }, unicast],
    ['length', arrived(whole.subarray(0, 7), wire), expected],
    ['version', arrived(whole, wire), v3],
    ['version', arrived(patched(whole, 0, 0x41), wire), expected],
    ['type', arrived(patched(whole, 0, 0x22), wire), expected],
    ['length', arrived(whole.subarray(0, 19), wire), expected],
    ['length', arrived(patched(whole, 3, 2), wire), expected],
    ['checksum', arrived(patched(whole, 7, 0), wire), expected],
    ['vrid', arrived(encode({ virtualRouterId: 52, interval: millis(2000) }), wire), expected],
    ['authentication', arrived(encode({ interval: millis(2000) }, { password: '1111' }), wire), expected],
    ['authentication', arrived(whole, wire), { ...expected, password: '1111' }],
    ['authentication', arrived(encode({}, { password: '1112' }), wire), { ...expected, password: '1111' }],
    ['count', arrived(encode({ version: 3, addresses: [] }), wire), v3],
    ['addresses', arrived(encode({ addresses: ['192.0.2.2'], interval: millis(2000) }), wire), expected],
    ['interval', arrived(encode({ interval: millis(2000) }), wire), expected],
    ['interval', arrived(encode({ version: 3, interval: millis(0) }), wire), v3],
  ]
  for (const [reason, datagram, expectation] of cases) {
    t.match(receiveAdvertisement(datagram, expectation), { ok: false, reason }, reason)
  }
  const covered = new Set(['ip-header', ...cases.map(([reason]) => reason)])
  t.same(covered, new Set(dropReasons), 'every reason is covered')
})

type Case = {
  readonly advertisement?: Partial<Advertisement>
  readonly onWire?: Partial<Wire>
  readonly came?: Partial<Datagram>
  readonly wanted?: Partial<Expectation>
}
const received = ({ advertisement, onWire, came, wanted }: Case): Decoded => {
  const sent = { ...wire, ...onWire }
  const payload = encodeAdvertisement({ ...own, ...advertisement }, sent)
  return receiveAdvertisement({ ...arrived(payload, sent), ...came }, { ...expected, ...wanted })
}
const us = '192.0.2.252'
const spoken = { destination: us }
const unicast = { peers: ['192.0.2.9'] }
const listed = { peers: [wire.source], version: 3 as const }
const v3 = { version: 3 as const }
const far = { isFar: true, isOnLink: false }
/** From behind a router, but with a TTL that is allowed. */
const routed = { isOnLink: false }

t.test(
  'a sound advertisement of our addresses keeps a backup from taking over, whatever it is dropped for',
  async (t) => {
    const kinds: readonly (readonly [string, Case, RegExp, Conflict['weight']])[] = [
      ['version', { advertisement: v3 }, /^speaks version 3, ours is 2$/, 'yielded-to'],
      ['version', { onWire: { password: 'secret' }, wanted: v3 }, /^speaks version 2, ours is 3$/, 'yielded-to'],
      ['vrid', { advertisement: { virtualRouterId: 52 } }, /claims our addresses as virtual router 52/, 'awaited'],
      ['interval', { advertisement: { interval: millis(7000) } }, /interval 7000 ms, ours is 1000 ms/, 'awaited'],
      ['interval', { advertisement: { ...v3, interval: millis(0) }, wanted: v3 }, /interval 0 ms/, 'awaited'],
      ['destination', { onWire: spoken }, /speaks to 192.0.2.252: one of us uses multicast/, 'awaited'],
      ['destination', { wanted: unicast }, /speaks to 224.0.0.18/, 'awaited'],
      ['peer', { onWire: spoken, wanted: unicast }, /not among our unicast.peers \(192.0.2.9\)/, 'awaited'],
      ['peer', { advertisement: v3, onWire: spoken, wanted: unicast }, /not among our unicast.peers/, 'awaited'],
      ['source', { onWire: { source: us } }, /has our source address: two hosts have it/, 'awaited'],
      ['authentication', { wanted: { password: 'secret' } }, /another authentication/, 'awaited'],
      ['authentication', { onWire: { password: 'other' } }, /another authentication/, 'awaited'],
      [
        'vrid',
        { advertisement: { virtualRouterId: 52 }, onWire: { password: 'other' } },
        /virtual router 52/,
        'awaited',
      ],
    ]
    for (const [reason, one, differs, weight] of kinds) {
      t.match(
        received(one),
        { ok: false, reason, conflict: { differs, weight, advertisement: { priority: 100 } } },
        reason,
      )
    }
  },
)

t.test('from behind a router it does so only from a known one with the right password', async (t) => {
  const heeded: readonly Case[] = [
    { advertisement: v3, onWire: spoken, came: routed, wanted: { ...listed, version: 2 } },
    { advertisement: { ...v3, virtualRouterId: 52 }, onWire: spoken, came: routed, wanted: listed },
  ]
  for (const one of heeded) t.match(received(one), { conflict: { weight: /awaited|yielded-to/ } })
  const told: readonly (readonly [string, Case])[] = [
    ['ttl', { came: far }],
    ['ttl', { onWire: spoken, came: far, wanted: listed, advertisement: v3 }],
    ['peer', { onWire: spoken, came: routed, wanted: unicast }],
    ['authentication', { onWire: spoken, came: routed, wanted: { ...listed, version: 2, password: 'secret' } }],
    ['source', { onWire: { ...spoken, source: us }, came: routed, wanted: { ...listed, version: 2 } }],
  ]
  for (const [reason, one] of told) t.match(received(one), { reason, conflict: { weight: 'told' } }, reason)
})

t.test('who has our number and other addresses is another group: told, whatever it says', async (t) => {
  const addresses = ['192.0.2.8', '192.0.2.9']
  const text =
    'uses our virtual_router_id 51 for 192.0.2.8, 192.0.2.9; ours are 192.0.2.1. ' +
    'Give one of the two groups another number, or all routers of this one the same virtual_addresses'
  for (const priority of [0, 1, 100, 200, 255]) {
    const heard = received({ advertisement: { addresses, priority } })
    t.match(heard, { ok: false, reason: 'addresses', conflict: { weight: 'told' } })
    t.equal(!heard.ok && heard.conflict?.differs, text)
    t.same(!heard.ok && heard.conflict?.advertisement.addresses, addresses)
  }
  t.match(received({ advertisement: { addresses: [...addresses, '192.0.2.1'] } }), { ok: true }, 'one is enough')
  const others: readonly (readonly [string, Case])[] = [
    ['version', { advertisement: { ...v3, addresses } }],
    ['authentication', { advertisement: { addresses }, onWire: { password: 'other' } }],
    ['addresses', { advertisement: { addresses, interval: millis(7000) } }],
  ]
  for (const [reason, one] of others) t.match(received(one), { reason, conflict: { differs: text, weight: 'told' } })
  const nothing = received({ advertisement: { addresses: [] } })
  t.match(nothing, { reason: 'count', conflict: { differs: /virtual_router_id 51 for no address/, weight: 'told' } })
})

t.test('what says nothing of our addresses or proves nothing is counted', async (t) => {
  const addresses = ['192.0.2.9']
  const broken = arrived(encodeAdvertisement(own, wire).with(6, 0), wire)
  const silent = [
    received({ advertisement: { virtualRouterId: 52, addresses } }),
    received({ advertisement: { virtualRouterId: 52, addresses, version: 3 } }),
    received({ advertisement: { addresses }, came: far }),
    receiveAdvertisement(broken, expected),
    receiveAdvertisement(arrived(encodeAdvertisement(own, wire).subarray(0, 7), wire), expected),
  ]
  for (const one of silent) t.notOk('conflict' in one, one.ok ? 'heard' : one.reason)
})

t.test('IPv6 is judged by the same rules', async (t) => {
  const six: Expectation = {
    ...expected,
    version: 3,
    family: 'ipv6',
    own: 'fe80::9',
    addresses: ['fe80::100', '2001:db8::100'],
  }
  const heard = (addresses: readonly string[]): Decoded => {
    const sent = { ...wire, source: 'fe80::1', destination: 'ff02::12' }
    return receiveAdvertisement(arrived(encodeAdvertisement({ ...own, version: 3, addresses }, sent), sent), six)
  }
  t.match(heard(['fe80::200', '2001:db8::100']), { ok: true })
  t.match(heard(['fe80::200', '2001:db8::200']), { reason: 'addresses', conflict: { weight: 'told' } })
})
