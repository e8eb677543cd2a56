import fc from 'fast-check'
import t from 'tap'
import { type ForgedSyn, forgedSyn } from '../../../../../balancer/datapath/resets/core/forged-syn.ts'
import { createResetQueue } from '../../../../../balancer/datapath/resets/core/reset-queue.ts'

const syn = (port: number): ForgedSyn => ({
  source: Uint8Array.of(198, 18, 0, 100),
  destination: Uint8Array.of(198, 18, 0, 21),
  sourcePort: 3366,
  destinationPort: port,
})
const flow = (port: number) => ({ key: Uint8Array.of(port), toClient: syn(port), toServer: syn(10_000 + port) })
/** RFC 1071: with its checksum, everything sums up to ones. */
const sum = (bytes: Uint8Array): number => {
  let total = 0
  for (let i = 0; i < bytes.length; i += 2) total += ((bytes[i] ?? 0) << 8) | (bytes[i + 1] ?? 0)
  while (total > 0xffff) total = (total & 0xffff) + (total >> 16)
  return total
}

t.test('a forged SYN says what it should, and its checksums are right', async (t) => {
  const packet = forgedSyn(syn(50_000), 0x01020304)
  t.equal(
    Buffer.from(packet)
      .toString('hex')
      .replace(/^(.{20}).{4}/, '$1....')
      .replace(/.{8}$/, '........'),
    '45000028000040004006....c6120064c61200150d26c350010203040000000050020400........',
  )
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 32, maxLength: 32 }),
      fc.boolean(),
      fc.nat(0xffff),
      (bytes, isIpv4, port) => {
        const size = isIpv4 ? 4 : 16
        const [source, destination] = [bytes.slice(0, size), bytes.slice(16, 16 + size)]
        const made = forgedSyn({ source, destination, sourcePort: port, destinationPort: 3306 }, port * 7)
        const header = isIpv4 ? 20 : 40
        const segment = made.slice(header)
        const pseudo = Buffer.concat([source, destination, Buffer.of(0, 6, 0, segment.length), segment])
        return sum(pseudo) === 0xffff && (!isIpv4 || sum(made.slice(0, header)) === 0xffff)
      },
    ),
  )
})

t.test('it may have the form of an answer', async (t) => {
  const plain = Buffer.from(forgedSyn(syn(50_000), 7))
  const answer = Buffer.from(forgedSyn({ ...syn(50_000), isAnswer: true }, 7))
  t.equal(plain[33], 0x02)
  t.equal(answer[33], 0x12)
  t.not(answer.readUInt32BE(28), 0, 'it acknowledges something')
})

t.test(
  'a server that answers its client directly hears it later, and one that nobody reaches not at all',
  async (t) => {
    const queue = createResetQueue({ rate: 1000, serverAfter: 100, repeatAfter: 700 })
    const ports = (at: number) => queue.take(at).map(({ destinationPort }) => destinationPort)
    queue.add(flow(1))
    queue.add({ ...flow(2), toServer: null })
    t.same(ports(0), [1, 2])
    t.same(ports(99), [])
    t.same(ports(100), [10_001])
    t.same(ports(799), [])
    t.same(ports(800), [1, 2])
    t.same(ports(900), [10_001])
    t.ok(queue.isEmpty())
  },
)

t.test('through an address that another host has nobody is told any more', async (t) => {
  const queue = createResetQueue({ rate: 1000, serverAfter: 0, repeatAfter: 700 })
  const ports = (at: number) => queue.take(at).map(({ destinationPort }) => destinationPort)
  queue.add(flow(1))
  t.same(ports(0), [1, 10_001])
  queue.hold(syn(1).source)
  queue.add(flow(2))
  t.same(ports(700), [])
  queue.forget(syn(1).source)
  t.ok(queue.isEmpty())
  queue.add(flow(3))
  queue.release(syn(1).source)
  t.same(ports(800), [3, 10_003], 'whoever ends after that is')
})

t.test('clients hear it before servers, and all once more later', async (t) => {
  const queue = createResetQueue({ rate: 1000, serverAfter: 0, repeatAfter: 700 })
  for (const port of [1, 2]) queue.add(flow(port))
  const ports = (at: number) => queue.take(at).map(({ destinationPort }) => destinationPort)
  t.same(ports(0), [1, 2, 10_001, 10_002])
  t.same(ports(699), [])
  t.same(ports(700), [1, 2, 10_001, 10_002])
  t.ok(queue.isEmpty())
})

t.test('through an address that no host has nobody is told, until one has it', async (t) => {
  const elsewhere = (port: number) => ({
    ...flow(port),
    toClient: { ...syn(port), source: Uint8Array.of(198, 18, 0, 101) },
  })
  const queue = createResetQueue({ rate: 1000, serverAfter: 0, repeatAfter: 700 })
  const ports = (at: number) => queue.take(at).map(({ destinationPort }) => destinationPort)
  queue.add(flow(1))
  t.same(ports(0), [1, 10_001])
  queue.hold(syn(1).source)
  for (const one of [flow(2), flow(3), elsewhere(4)]) queue.add(one)
  t.same(ports(100), [4, 10_004], 'others are')
  t.same(ports(800), [4, 10_004], 'nor are those told again that heard it once')
  t.notOk(queue.isEmpty())
  queue.cancel(flow(3).key)
  queue.release(syn(1).source)
  t.same(ports(5000), [2, 1, 10_002, 10_001])
  t.same(ports(5700), [2, 1, 10_002, 10_001])
  t.ok(queue.isEmpty())
})

t.test('no more are sent than the rate allows, and none is forgotten', async () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 40, maxLength: 60 }), (steps) => {
      const queue = createResetQueue({ rate: 1000, serverAfter: 0, repeatAfter: 0 })
      for (let port = 0; port < 100; port += 1) queue.add(flow(port))
      let [at, sent] = [0, 0]
      const burst = 20
      for (const step of steps) {
        at += step
        sent += queue.take(at).length
        if (sent > at + burst) return false
      }
      for (; !queue.isEmpty(); at += 20) sent += queue.take(at).length
      return sent === 400
    }),
  )
})

t.test('a flow that has a session again is left alone', async (t) => {
  const queue = createResetQueue({ rate: 1000, serverAfter: 0, repeatAfter: 700 })
  for (const port of [1, 2]) queue.add(flow(port))
  queue.cancel(Uint8Array.of(1))
  t.same(
    queue.take(0).map(({ destinationPort }) => destinationPort),
    [2, 10_002],
  )
  queue.cancel(Uint8Array.of(2))
  t.same(queue.take(700), [])
  t.ok(queue.isEmpty())
})
