import fc from 'fast-check'
import t from 'tap'
import { millis } from '../../../../balancer/core/time.ts'
import { type Advertisement, encodeAdvertisement, type Wire } from '../../../../balancer/vrrp/core/advertisement.ts'
import { ipPacket, readIpv4Packet } from '../../../../balancer/vrrp/core/datagram.ts'
import { differences } from '../../../../balancer/vrrp/core/differences.ts'
import { neighbourAnnouncement } from '../../../../balancer/vrrp/core/neighbour-announcement.ts'
import { dropReasons, type Expectation, receiveAdvertisement } from '../../../../balancer/vrrp/core/reception.ts'
import { arrived, expected, own, source, wire } from './datagrams.ts'

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
    const decoded = receiveAdvertisement(heard, wanted)
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
      const decoded = receiveAdvertisement(heard, { ...expected, ...advertisement, password: sent.password })
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
      const decoded = receiveAdvertisement(datagram, { ...expected, version })
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
        receiveAdvertisement(arrived(flipped, wire), { ...expected, version }).ok,
        false,
        `v${version} bit ${bit}`,
      )
    }
  }
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

t.test('version 3 over IPv6 carries 16-byte addresses and always a pseudo-header', async (t) => {
  const addresses = ['fe80::100', '2001:db8::100']
  const six: Advertisement = { ...own, version: 3, addresses }
  const onWire: Wire = { source: 'fe80::1', destination: 'ff02::12', password: null, pseudoHeader: false }
  const payload = encodeAdvertisement(six, onWire)
  t.equal(payload.length, 40)
  const wanted: Expectation = { ...expected, version: 3, family: 'ipv6', addresses, own: 'fe80::9' }
  t.same(receiveAdvertisement(arrived(payload, onWire), wanted), { ok: true, source: 'fe80::1', advertisement: six })
  const moved = arrived(payload, { source: 'fe80::2', destination: 'ff02::12' })
  t.match(receiveAdvertisement(moved, wanted), { ok: false, reason: 'checksum' })
})

t.test('version 3 accepts another interval and another address list, and says so', async (t) => {
  const heard: Advertisement = { ...own, version: 3, interval: millis(10), addresses: ['192.0.2.2', '192.0.2.1'] }
  t.match(receiveAdvertisement(arrived(encodeAdvertisement(heard, wire), wire), { ...expected, version: 3 }), {
    ok: true,
    advertisement: { interval: 10 },
  })
  t.same(differences({ ...own, version: 3 }, heard), [
    { about: 'interval', text: 'its advertisement interval is 10 ms, ours is 1000 ms' },
    { about: 'addresses', text: 'its virtual addresses are 192.0.2.1 192.0.2.2, ours are 192.0.2.1' },
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
