// Probes of the way to a server: the frames, and what an answer means.

import fc from 'fast-check'
import t from 'tap'
import { addressText } from '../../../../../balancer/core/ip-address.ts'
import { frameOf, readFrame, tcpFlags, tcpPacket } from '../../../../../balancer/datapath/core/tcp-packet.ts'
import {
  askingFrame,
  type Probe,
  probeText,
  resultIn,
  takingBackFrame,
} from '../../../../../balancer/datapath/direct/core/path-probe.ts'

const [own, db1, db2, other] = [1, 0x11, 0x12, 0x99].map((last) => Uint8Array.of(2, 0, 0, 0, 0, last)) as [
  Uint8Array,
  Uint8Array,
  Uint8Array,
  Uint8Array,
]
const probe = (isIpv6: boolean): Probe => ({
  bind: { address: isIpv6 ? 'fd00::100' : '198.18.0.100', port: 3366 },
  server: { mac: db1 },
  own: { mac: own, address: isIpv6 ? 'fd00::1' : '198.18.0.1', port: 61_234 },
  sequence: 0xffff_ffff,
})

t.test('what is sent is a SYN from an own address to the bind, and a reset with the next number', async (t) => {
  for (const isIpv6 of [false, true]) {
    const { bind, own: self, ...rest } = probe(isIpv6)
    const expected = {
      ...{ from: own, source: self.address, sourcePort: self.port, destination: bind.address },
      ...{ destinationPort: bind.port, acknowledgement: 0 },
    }
    const frames = [askingFrame({ bind, own: self, ...rest }), takingBackFrame({ bind, own: self, ...rest })] as const
    t.same(readFrame(frames[0]), { ...expected, flags: tcpFlags.syn })
    t.same(readFrame(frames[1]), { ...expected, flags: tcpFlags.rst })
    t.same(frames[0].subarray(0, 6), db1)
    const tcpAt = isIpv6 ? 54 : 34
    const sequences = frames.map((frame) => new DataView(frame.buffer).getUint32(tcpAt + 4))
    t.same(sequences, [0xffff_ffff, 0])
  }
})

t.test('an answer counts where it is one to this probe, whoever of the server’s cards gives it', async (t) => {
  const { bind, own: self } = probe(false)
  const answer = {
    ...{ from: db1, source: bind.address, sourcePort: bind.port, destination: self.address },
    ...{ destinationPort: self.port, acknowledgement: 0, flags: tcpFlags.syn | tcpFlags.ack },
  }
  const result = (changes: Partial<typeof answer>) => resultIn({ ...answer, ...changes }, probe(false), [db1, db2])
  t.equal(result({}), 'answers')
  t.equal(result({ from: other }), 'answers', 'another card of the server')
  t.equal(result({ from: db2 }), 'elsewhere')
  t.equal(result({ flags: tcpFlags.rst | tcpFlags.ack }), 'refused')
  t.equal(result({ flags: tcpFlags.ack }), null)
  for (const changes of [
    { acknowledgement: 1 },
    { source: '198.18.0.101' },
    { sourcePort: 3306 },
    { destination: '198.18.0.2' },
    { destinationPort: 61_235 },
  ])
    t.equal(result(changes), null, JSON.stringify(changes))
})

t.test('every packet that is made is read as it was made, and no frame breaks the reader', async () => {
  const port = fc.integer({ min: 0, max: 65_535 })
  const word = fc.integer({ min: 0, max: 0xffff_ffff })
  const addresses = fc
    .constantFrom(4, 16)
    .chain((size) => fc.tuple(...[0, 1].map(() => fc.uint8Array({ minLength: size, maxLength: size }))))
  const mac = fc.uint8Array({ minLength: 6, maxLength: 6 })
  fc.assert(
    fc.property(
      addresses,
      port,
      port,
      word,
      fc.integer({ min: 0, max: 255 }),
      mac,
      (ends, from, to, number, flags, by) => {
        const [source, destination] = ends as [Uint8Array, Uint8Array]
        const made = { source, destination, sourcePort: from, destinationPort: to, sequence: 1, flags }
        const read = readFrame(frameOf(tcpPacket({ ...made, acknowledgement: number }), { from: by, to: own }))
        return (
          read?.source === addressText(source) &&
          read.destination === addressText(destination) &&
          read.sourcePort === from &&
          read.destinationPort === to &&
          read.acknowledgement === number &&
          read.flags === flags
        )
      },
    ),
  )
  fc.assert(fc.property(fc.uint8Array({ maxLength: 120 }), (bytes) => readFrame(bytes) !== undefined))
})

t.test('each result that is none has its words', async (t) => {
  const said = (['silent', 'refused', 'elsewhere'] as const).map((result) => probeText(result, probe(true).bind))
  for (const text of said) t.match(text, /\[fd00::100\]:3366.*; run there: mysqlchk-agent direct-return status$/)
  t.equal(new Set(said).size, 3)
  t.equal(probeText('answers', probe(true).bind), null)
})
