import fc from 'fast-check'
import t from 'tap'
import { millis } from '../../../../balancer/core/time.ts'
import {
  type Advertisement,
  decodeAdvertisement,
  dropReasons,
  type Expectation,
  encodeAdvertisement,
  type Wire,
} from '../../../../balancer/vrrp/core/advertisement.ts'
import { differences } from '../../../../balancer/vrrp/core/differences.ts'
import { gratuitousArp } from '../../../../balancer/vrrp/core/gratuitous-arp.ts'
import { ipv4Packet } from './ipv4-packet.ts'

const source = '192.0.2.251'
const second = millis(1000)
const own: Advertisement = {
  version: 2,
  virtualRouterId: 51,
  priority: 100,
  interval: second,
  addresses: ['192.0.2.1'],
}
const wire: Wire = { source, destination: '224.0.0.18', password: null, pseudoHeader: true }
const expected: Expectation = { ...own, password: null }

const golden: readonly (readonly [string, string, Partial<Advertisement>, Partial<Wire>])[] = [
  ['v2', '213364010001b8c8c00002010000000000000000', {}, {}],
  ['v2 with a password', '2133640101015566c00002013131313100000000', {}, { password: '1111' }],
  ['v3 with pseudo-header', '31336401006404dbc0000201', { version: 3 }, {}],
  ['v3 without pseudo-header', '313364010064a865c0000201', { version: 3 }, { pseudoHeader: false }],
  ['v3 unicast', '31336401006421f1c0000201', { version: 3 }, { destination: '192.0.2.252' }],
]

t.test('advertisements are byte for byte those of keepalived', async (t) => {
  for (const [name, bytes, advertisement, onWire] of golden) {
    const encoded = encodeAdvertisement({ ...own, ...advertisement }, { ...wire, ...onWire })
    t.equal(Buffer.from(encoded).toString('hex'), bytes, name)
  }
})

t.test('the same bytes are read back, both checksum forms of version 3 included', async (t) => {
  for (const [name, bytes, advertisement, onWire] of golden) {
    const sent = { ...wire, ...onWire }
    const packet = ipv4Packet(Buffer.from(bytes, 'hex'), sent)
    const decoded = decodeAdvertisement(packet, { ...expected, ...advertisement, password: sent.password })
    t.same(decoded, { ok: true, source, advertisement: { ...own, ...advertisement } }, name)
  }
})

const address = fc.ipV4()
const anyAdvertisement: fc.Arbitrary<Advertisement> = fc.record({
  version: fc.constantFrom<2 | 3>(2, 3),
  virtualRouterId: fc.integer({ min: 1, max: 255 }),
  priority: fc.integer({ min: 0, max: 255 }),
  interval: fc.integer({ min: 1, max: 40 }).map((seconds) => millis(seconds * 1000)),
  addresses: fc.array(address, { minLength: 1, maxLength: 20 }),
})

t.test('what is sent is what is heard', async (t) => {
  let runs = 0
  const password = fc.option(fc.stringMatching(/^[!-~]{1,8}$/))
  fc.assert(
    fc.property(anyAdvertisement, password, fc.boolean(), address, (advertisement, secret, pseudoHeader, from) => {
      const { version } = advertisement
      const sent = { ...wire, source: from, password: version === 2 ? secret : null, pseudoHeader }
      const packet = ipv4Packet(encodeAdvertisement(advertisement, sent), sent)
      const decoded = decodeAdvertisement(packet, { ...advertisement, password: sent.password })
      runs += 1
      return (
        decoded.ok && decoded.source === from && JSON.stringify(decoded.advertisement) === JSON.stringify(advertisement)
      )
    }),
  )
  t.ok(runs > 0)
})

t.test('no bytes crash the decoder, and every drop has a known reason', async (t) => {
  const seen = new Set<string>()
  const known = new Set<string>(dropReasons)
  const noise = fc.uint8Array({ maxLength: 80 })
  const payload = noise.map((bytes) => ipv4Packet(bytes, wire))
  const mutated = fc
    .tuple(anyAdvertisement, fc.nat(), fc.integer({ min: 0, max: 255 }))
    .map(([advertisement, place, value]) => {
      const packet = ipv4Packet(encodeAdvertisement(advertisement, wire), wire)
      packet[place % packet.length] = value
      return packet
    })
  fc.assert(
    fc.property(fc.oneof(noise, payload, mutated), fc.constantFrom<2 | 3>(2, 3), (packet, version) => {
      const decoded = decodeAdvertisement(packet, { ...expected, version })
      if (!decoded.ok) seen.add(decoded.reason)
      return decoded.ok || (known.has(decoded.reason) && decoded.found !== '')
    }),
    { numRuns: 2000 },
  )
  t.ok(seen.size > 3, [...seen].join(' '))
})

t.test('any single flipped bit of an advertisement is noticed', async (t) => {
  for (const version of [2, 3] as const) {
    const payload = encodeAdvertisement({ ...own, version }, wire)
    for (let bit = 0; bit < payload.length * 8; bit += 1) {
      const flipped = Uint8Array.from(payload, (byte, i) => (i === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte))
      t.equal(
        decodeAdvertisement(ipv4Packet(flipped, wire), { ...expected, version }).ok,
        false,
        `v${version} bit ${bit}`,
      )
    }
  }
})

t.test('drops are named by the first check that fails, in the order of the RFCs', async (t) => {
  const encode = (advertisement: Partial<Advertisement>, onWire: Partial<Wire> = {}): Uint8Array =>
    encodeAdvertisement({ ...own, ...advertisement }, { ...wire, ...onWire })
  const patched = (bytes: Uint8Array, offset: number, value: number): Uint8Array =>
    Uint8Array.from(bytes, (byte, i) => (i === offset ? value : byte))
  const whole = encode({})
  const v3 = { ...expected, version: 3 as const }
  const cases: readonly (readonly [string, Uint8Array, Expectation])[] = [
    ['ip-header', new Uint8Array(19), expected],
    ['ip-header', patched(ipv4Packet(whole, wire), 0, 0x65), expected],
    ['ip-header', patched(ipv4Packet(whole, wire), 0, 0x42), expected],
    ['ip-header', patched(ipv4Packet(whole, wire), 3, 200), expected],
    ['ip-header', patched(ipv4Packet(whole, wire), 9, 17), expected],
    ['ttl', patched(ipv4Packet(new Uint8Array(3), wire), 8, 254), expected],
    ['length', ipv4Packet(whole.subarray(0, 7), wire), expected],
    ['version', ipv4Packet(whole, wire), v3],
    ['type', ipv4Packet(patched(whole, 0, 0x22), wire), expected],
    ['length', ipv4Packet(whole.subarray(0, 19), wire), expected],
    ['length', ipv4Packet(patched(whole, 3, 2), wire), expected],
    ['checksum', ipv4Packet(patched(whole, 7, 0), wire), expected],
    ['vrid', ipv4Packet(encode({ virtualRouterId: 52, interval: millis(2000) }), wire), expected],
    ['authentication', ipv4Packet(encode({ interval: millis(2000) }, { password: '1111' }), wire), expected],
    ['authentication', ipv4Packet(whole, wire), { ...expected, password: '1111' }],
    ['authentication', ipv4Packet(encode({}, { password: '1112' }), wire), { ...expected, password: '1111' }],
    ['count', ipv4Packet(encode({ version: 3, addresses: [] }), wire), v3],
    ['interval', ipv4Packet(encode({ interval: millis(2000) }), wire), expected],
    ['interval', ipv4Packet(encode({ version: 3, interval: millis(0) }), wire), v3],
  ]
  for (const [reason, packet, expectation] of cases) {
    t.match(decodeAdvertisement(packet, expectation), { ok: false, reason }, reason)
  }
  t.same(new Set(cases.map(([reason]) => reason)), new Set(dropReasons), 'every reason is covered')
})

t.test('version 3 accepts another interval and another address list, and says so', async (t) => {
  const heard: Advertisement = { ...own, version: 3, interval: millis(10), addresses: ['192.0.2.2'] }
  t.match(decodeAdvertisement(ipv4Packet(encodeAdvertisement(heard, wire), wire), { ...expected, version: 3 }), {
    ok: true,
    advertisement: { interval: 10 },
  })
  t.same(differences({ ...own, version: 3 }, heard), [
    { about: 'interval', text: 'its advertisement interval is 10 ms, ours is 1000 ms' },
    { about: 'addresses', text: 'its virtual addresses are 192.0.2.2, ours are 192.0.2.1' },
  ])
  t.same(differences({ ...own, addresses: ['1.1.1.1', '2.2.2.2'] }, { ...own, addresses: ['2.2.2.2', '1.1.1.1'] }), [])
})

t.test('a gratuitous ARP is a broadcast request with the address as sender and target', async (t) => {
  t.equal(
    Buffer.from(gratuitousArp([2, 0, 0, 0, 0, 1], '192.0.2.1')).toString('hex'),
    'ffffffffffff020000000001080600010800060400010200' + '00000001c0000201000000000000c0000201',
  )
})
