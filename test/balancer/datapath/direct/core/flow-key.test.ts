import fc from 'fast-check'
import t from 'tap'
import { addressText } from '../../../../../balancer/core/ip-address.ts'
import { clientsOf, flowKey, slotOfClient } from '../../../../../balancer/datapath/direct/core/flow-key.ts'
import { jhash, slotOf } from '../../../../../balancer/datapath/direct/core/jhash.ts'

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

t.test(
  'keys have the bytes of the rules: an address and a port that is filled up, or a port and 12 bytes of an address',
  async (t) => {
    t.equal(hex(flowKey({ address: '198.18.77.9', port: 4660 })), 'c6124d0912340000')
    t.equal(hex(flowKey({ address: '2001:db8::7', port: 4660 })), '12340000000000000000000000000007')
    t.same(clientsOf(Buffer.from('c6124d0912340000', 'hex'), []), [{ address: '198.18.77.9', port: 4660 }])
    const key = Buffer.from('12340000000000000000000000000007', 'hex')
    const [one, other] = [Buffer.from('20010db8', 'hex'), Buffer.from('fd000000', 'hex')]
    t.same(clientsOf(key, [one]), [{ address: '2001:db8::7', port: 4660 }])
    t.same(
      clientsOf(key, [one, other]).map(({ address }) => address),
      ['2001:db8::7', 'fd00::7'],
    )
    t.same(clientsOf(key, []), [{ address: '::7', port: 4660 }])
  },
)

t.test('every client is among those that its key stands for', async () => {
  const addresses = fc.oneof(
    fc.uint8Array({ minLength: 4, maxLength: 4 }),
    fc.uint8Array({ minLength: 16, maxLength: 16 }),
  )
  fc.assert(
    fc.property(
      addresses,
      fc.integer({ min: 1, max: 65_535 }),
      fc.uint8Array({ minLength: 4, maxLength: 4 }),
      (bytes, port, other) => {
        const client = { address: addressText(bytes), port }
        const found = clientsOf(flowKey(client), [other, bytes.subarray(0, 4)])
        return found.some(({ address, port: its }) => address === client.address && its === port)
      },
    ),
  )
})

t.test('hashes are those of the kernel', async (t) => {
  // Of linux/jhash.h, compiled; that rules hash the same is shown by ../slots.test.ts.
  const bytes = Uint8Array.from({ length: 32 }, (_, i) => i)
  t.same(
    [0, 1, 3, 4, 8, 11, 12, 13, 16, 20, 24, 25].map((length) => jhash(bytes, 1, length, 0x1234)),
    [
      0xdeadd123, 0x3d43e2a0, 0x744a0e8c, 0x6d13d46c, 0x9beb7aa1, 0x1d99f064, 0x669429d2, 0x07d088ae, 0xf6907aba,
      0x6b6421df, 0xade1e347, 0xf7a346a5,
    ],
  )
})

t.test('a slot is a part of all hashes, not a remainder', async (t) => {
  t.equal(slotOf(0, 7), 0)
  t.equal(slotOf(0xffff_ffff, 7), 6)
  t.equal(slotOf(0x8000_0000, 16_384), 8192)
  t.equal(slotOf(0x7fff_ffff, 16_384), 8191)
})

t.test('a source has one slot whatever its port, a session one of its own, wherever the key lies', async (t) => {
  for (const address of ['198.18.77.9', '2001:db8::7']) {
    const slots = (hash: 'session' | 'source'): number => {
      const found = Array.from({ length: 100 }, (_, i) => {
        const key = flowKey({ address, port: 1000 + i })
        const at = i % 9
        const moved = Buffer.concat([Buffer.alloc(at, 0xff), key, Buffer.alloc(5, 0xff)])
        return slotOfClient(moved, at, key.length, { hash, seed: 1, slotCount: 1024 })
      })
      return new Set(found).size
    }
    t.equal(slots('source'), 1)
    t.ok(slots('session') > 80)
  }
})
