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
import { type Datagram, ipPacket, readIpv4Packet } from '../../../../balancer/vrrp/core/datagram.ts'
import { differences } from '../../../../balancer/vrrp/core/differences.ts'
import { neighbourAnnouncement } from '../../../../balancer/vrrp/core/neighbour-announcement.ts'

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
const expected: Expectation = { ...own, family: 'ipv4', password: null, peers: null }

/** The datagram as it would arrive. */
const arrived = (
  payload: Uint8Array,
  { source: from, destination }: Pick<Wire, 'source' | 'destination'>,
): Datagram => ({
  source: from,
  destination,
  isFar: false,
  payload,
})
const peersOf = ({ destination }: Wire): readonly string[] | null =>
  destination === wire.destination ? null : [source]

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
    const heard = arrived(Buffer.from(bytes, 'hex'), sent)
    const wanted = { ...expected, ...advertisement, password: sent.password, peers: peersOf(sent) }
    const decoded = decodeAdvertisement(heard, wanted)
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
      const heard = arrived(encodeAdvertisement(advertisement, sent), sent)
      const decoded = decodeAdvertisement(heard, { ...expected, ...advertisement, password: sent.password })
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
  const mutated = fc
    .tuple(anyAdvertisement, fc.nat(), fc.integer({ min: 0, max: 255 }))
    .map(([advertisement, place, value]) => {
      const packet = ipPacket(encodeAdvertisement(advertisement, wire), wire.source, wire.destination)
      packet[place % packet.length] = value
      return packet
    })
  const around = noise.map((payload) => ipPacket(payload, wire.source, wire.destination))
  fc.assert(
    fc.property(fc.oneof(noise, around, mutated), fc.constantFrom<2 | 3>(2, 3), (packet, version) => {
      const datagram = readIpv4Packet(packet, 255)
      if (datagram === null) return true
      const decoded = decodeAdvertisement(datagram, { ...expected, version })
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
      t.equal(decodeAdvertisement(arrived(flipped, wire), { ...expected, version }).ok, false, `v${version} bit ${bit}`)
    }
  }
})

t.test('drops are named by the first check that fails, in the order of the RFCs', async (t) => {
  const encode = (advertisement: Partial<Advertisement>, onWire: Partial<Wire> = {}): Uint8Array =>
    encodeAdvertisement({ ...own, ...advertisement }, { ...wire, ...onWire })
  const patched = (bytes: Uint8Array, offset: number, value: number): Uint8Array =>
    Uint8Array.from(bytes, (byte, i) => (i === offset ? value : byte))
  const whole = encode({})
  const far = { ...arrived(new Uint8Array(3), wire), isFar: true }
  const v3 = { ...expected, version: 3 as const }
  const unicast = { ...expected, peers: ['192.0.2.9'] }
  const cases: readonly (readonly [string, Datagram, Expectation])[] = [
    ['ttl', far, expected],
    ['destination', { ...arrived(whole, wire), destination: '192.0.2.252' }, expected],
    ['destination', arrived(whole, wire), unicast],
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
    ['interval', arrived(encode({ interval: millis(2000) }), wire), expected],
    ['interval', arrived(encode({ version: 3, interval: millis(0) }), wire), v3],
  ]
  for (const [reason, datagram, expectation] of cases) {
    t.match(decodeAdvertisement(datagram, expectation), { ok: false, reason }, reason)
  }
  const covered = new Set(['ip-header', ...cases.map(([reason]) => reason)])
  t.same(covered, new Set(dropReasons), 'every reason is covered')
})

t.test('an IPv4 header that is none is no datagram, and one with a low TTL is far', async (t) => {
  const packet = ipPacket(new Uint8Array(8), wire.source, wire.destination)
  const patched = (offset: number, value: number): Uint8Array =>
    Uint8Array.from(packet, (byte, i) => (i === offset ? value : byte))
  t.match(readIpv4Packet(packet, 255), { source, destination: wire.destination, isFar: false })
  t.equal(readIpv4Packet(new Uint8Array(19), 255), null, 'too short')
  t.equal(readIpv4Packet(patched(0, 0x65), 255), null, 'another version of IP')
  t.equal(readIpv4Packet(patched(0, 0x42), 255), null, 'a header shorter than any')
  t.equal(readIpv4Packet(patched(3, 200), 255), null, 'longer than what came')
  t.equal(readIpv4Packet(patched(9, 17), 255), null, 'another protocol')
  t.match(readIpv4Packet(patched(8, 254), 255), { isFar: true })
  t.match(readIpv4Packet(patched(8, 64), 60), { isFar: false })
})

t.test('a sound advertisement in the other version is told from noise', async (t) => {
  const v3: Advertisement = { ...own, version: 3 }
  const heard = arrived(encodeAdvertisement(v3, wire), wire)
  t.match(decodeAdvertisement(heard, expected), {
    ok: false,
    reason: 'version',
    conflict: { priority: 100, differs: 'speaks version 3, ours is 2', isYieldedTo: true },
  })
  const v2 = arrived(encodeAdvertisement(own, { ...wire, password: 'secret' }), wire)
  t.match(decodeAdvertisement(v2, { ...expected, version: 3 }), {
    reason: 'version',
    conflict: { differs: 'speaks version 2, ours is 3' },
  })
  const stranger: Advertisement = { ...own, virtualRouterId: 52, addresses: ['192.0.2.9'] }
  const other = arrived(encodeAdvertisement(stranger, wire), wire)
  t.match(decodeAdvertisement(other, expected), { reason: 'vrid' })
  t.notOk('conflict' in decodeAdvertisement(other, expected), 'another virtual router is none')
  const foreign = arrived(encodeAdvertisement({ ...v3, addresses: ['192.0.2.9'] }, wire), wire)
  t.notOk('conflict' in decodeAdvertisement(foreign, expected), 'nor is a group that shares nothing but the number')
  const broken = arrived(
    Uint8Array.from(heard.payload, (byte, i) => (i === 6 ? byte ^ 1 : byte)),
    wire,
  )
  t.notOk('conflict' in decodeAdvertisement(broken, expected), 'nor is one with a bad checksum')
})

t.test('so is one of our addresses that differs in something else', async (t) => {
  const to = (destination: string) => ({ ...wire, destination })
  const kinds: readonly (readonly [string, Partial<Advertisement>, string])[] = [
    ['vrid', { virtualRouterId: 52 }, wire.destination],
    ['interval', { interval: millis(7000) }, wire.destination],
    ['destination', {}, '192.0.2.252'],
  ]
  for (const [reason, change, destination] of kinds) {
    const heard = arrived(encodeAdvertisement({ ...own, ...change }, to(destination)), to(destination))
    t.match(decodeAdvertisement(heard, expected), { reason, conflict: { priority: 100, isYieldedTo: false } }, reason)
    const guarded = decodeAdvertisement(heard, { ...expected, password: 'secret' })
    t.notOk('conflict' in guarded, `${reason}: not where it does not know the password`)
  }
})

t.test('version 3 over IPv6 carries 16-byte addresses and always a pseudo-header', async (t) => {
  const addresses = ['fe80::100', '2001:db8::100']
  const six: Advertisement = { ...own, version: 3, addresses }
  const onWire: Wire = { source: 'fe80::1', destination: 'ff02::12', password: null, pseudoHeader: false }
  const payload = encodeAdvertisement(six, onWire)
  t.equal(payload.length, 40)
  const wanted: Expectation = { ...expected, version: 3, family: 'ipv6' }
  t.same(decodeAdvertisement(arrived(payload, onWire), wanted), { ok: true, source: 'fe80::1', advertisement: six })
  const moved = arrived(payload, { source: 'fe80::2', destination: 'ff02::12' })
  t.match(decodeAdvertisement(moved, wanted), { ok: false, reason: 'checksum' })
})

t.test('version 3 accepts another interval and another address list, and says so', async (t) => {
  const heard: Advertisement = { ...own, version: 3, interval: millis(10), addresses: ['192.0.2.2'] }
  t.match(decodeAdvertisement(arrived(encodeAdvertisement(heard, wire), wire), { ...expected, version: 3 }), {
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
    Buffer.from(neighbourAnnouncement([2, 0, 0, 0, 0, 1], '192.0.2.1', false)).toString('hex'),
    'ffffffffffff020000000001080600010800060400010200' + '00000001c0000201000000000000c0000201',
  )
})

t.test('an unsolicited neighbour advertisement overrides what all nodes know', async (t) => {
  const frame = Buffer.from(neighbourAnnouncement([2, 0, 0, 0, 0, 1], '2001:db8::1', false)).toString('hex')
  t.equal(
    frame,
    '333300000001020000000001' +
      '86dd6000000000203aff' +
      '20010db8000000000000000000000001ff020000000000000000000000000001' +
      '8800f92a2000000020010db80000000000000000000000010201020000000001',
  )
})
