import fc from 'fast-check'
import t from 'tap'
import {
  batchWriter,
  type ElementMessage,
  elementReader,
  listRequest,
} from '../../../balancer/os/nft-element-message.ts'

const bytesOf = (text: string): Buffer => Buffer.from(text.replace(/\s/g, ''), 'hex')

/** What Linux 6.18 lists of two elements, with the end of the list. The map has a timeout of 8 h; the first element has none of its own. */
const recorded = bytesOf(`
  94000000 0c0a0200 07000000 29030000 05000004 0d000100 62616c61 6e636572 00000000 07000200 66340000 68000300
  2c000100 10000100 0c000100 c6124d0a 12340000 0c000200 08000100 03400000 0c000500 00000000 01b7722c
  38000100 10000100 0c000100 c6124d09 12340000 0c000200 08000100 02000000 0c000400 00000000 000186a0 0c000500 00000000 0000c17c
  30000000 0c0a0200 07000000 29030000 05000004 0d000100 62616c61 6e636572 00000000 07000200 66340000 04000300
  14000000 03000200 07000000 29030000 00000000`)
/** The same of a map with the key `inet_service . ipv6_addr`. */
const recordedIpv6 = bytesOf(`
  74000000 0c0a0200 07000000 c12f9de8 05000004 0d000100 62616c61 6e636572 00000000 07000200 66360000 48000300
  44000100 1c000100 18000100 12340000 fe800000 00000000 00000000 00000001 0c000200 08000100 02000000
  0c000400 00000000 000186a0 0c000500 00000000 0000c178
  14000000 03000200 07000000 c12f9de8 00000000`)
/** What it says where there is no such map. */
const recordedRefusal = bytesOf(`
  44000000 02000000 07000000 33075aa3 feffffff 30000000 0d0a0103 07000000 00000000 05000000
  0d000100 62616c61 6e636572 00000000 09000200 6e6f6e65 00000000`)

type Seen =
  | Exclude<ElementMessage, { readonly kind: 'element' }>
  | { readonly kind: 'element'; readonly element: object }

const read = (bytes: Uint8Array): readonly Seen[] => {
  const messages: Seen[] = []
  elementReader(bytes)(0, bytes.length, (message) => {
    if (message.kind !== 'element') messages.push(message)
    else {
      const { buffer, keyAt, keyBytes, value, timeout, expires } = message.element
      const key = Buffer.from(buffer.subarray(keyAt, keyAt + keyBytes)).toString('hex')
      messages.push({ kind: 'element', element: { key, value, timeout, expires } })
    }
  })
  return messages
}

t.test('a list of the kernel is read: keys, values, and times that may be absent', async (t) => {
  t.same(read(recorded), [
    { kind: 'element', element: { key: 'c6124d0a12340000', value: 0x4003, timeout: null, expires: 28_799_532 } },
    { kind: 'element', element: { key: 'c6124d0912340000', value: 2, timeout: 100_000, expires: 49_532 } },
    { kind: 'end', error: 0 },
  ])
  const key = '12340000fe800000000000000000000000000001'
  t.same(read(recordedIpv6), [
    { kind: 'element', element: { key, value: 2, timeout: 100_000, expires: 49_528 } },
    { kind: 'end', error: 0 },
  ])
  t.same(read(recordedRefusal), [{ kind: 'answer', sequence: 7, error: -2 }])
})

t.test('a list that was torn says so before what it holds', async (t) => {
  const torn = Buffer.from(recordedIpv6)
  torn.writeUInt16LE(torn.readUInt16LE(6) | 0x10, 6)
  t.same(
    read(torn).map(({ kind }) => kind),
    ['torn', 'element', 'end'],
  )
})

t.test(
  'an element whose value is no mark is left out, and the one that stands for all others; those of a set have none',
  async (t) => {
    const withType = (at: number, type: number): readonly Seen[] => {
      const bytes = Buffer.from(recordedIpv6)
      bytes.writeUInt16LE(type, at)
      return read(bytes).filter(({ kind }) => kind === 'element')
    }
    const [keyAt, dataAt] = [recordedIpv6.indexOf('1c000100', 'hex'), recordedIpv6.indexOf('0c0002000800', 'hex')]
    t.equal(withType(keyAt + 2, 1).length, 1)
    t.same(withType(keyAt + 2, 9), [])
    t.match(withType(dataAt + 2, 9), [{ element: { value: 0 } }])
    t.same(withType(dataAt + 4, 7), [])
  },
)

t.test('requests have the form that nft gives them', async (t) => {
  const map = { family: 'netdev', table: 'balancer', name: 'f4' } as const
  t.equal(
    Buffer.from(listRequest(7, map)).toString('hex'),
    bytesOf(
      '2c000000 0d0a0103 07000000 00000000 05000000 0d000100 62616c61 6e636572 00000000 07000200 66340000',
    ).toString('hex'),
  )
  const key = bytesOf('c6124d09 12340000')
  const writer = batchWriter(map, 8, 4096)
  const written = (): string => {
    writer.begin(1)
    writer.remove(2, key)
    writer.add(3, { key, value: 0x4002, timeout: 100_000, expires: 50_000 })
    return Buffer.from(writer.end(4)).toString('hex')
  }
  const expected = bytesOf(`
    14000000 10000100 01000000 00000000 0000000a
    44000000 0e0a0100 02000000 00000000 05000000 0d000100 62616c61 6e636572 00000000 07000200 66340000
    18000380 14000180 10000180 0c000100 c6124d09 12340000
    68000000 0c0a0104 03000000 00000000 05000000 0d000100 62616c61 6e636572 00000000 07000200 66340000
    3c000380 38000180 0c000400 00000000 000186a0 0c000500 00000000 0000c350 10000180 0c000100 c6124d09 12340000
    0c000280 08000100 02400000
    14000000 11000100 04000000 00000000 0000000a`).toString('hex')
  t.equal(written(), expected)
  t.equal(written(), expected, 'and the next transaction has nothing of the one before')
})

t.test('a timeout is never less than what is left, which the kernel would refuse', async (t) => {
  const writer = batchWriter({ family: 'inet', table: 't', name: 'm' }, 20, 4096)
  const key = new Uint8Array(20).fill(7)
  const timesWritten = (timeout: number, expires: number): readonly unknown[] => {
    writer.begin(1)
    writer.add(2, { key, value: 1, timeout, expires })
    return read(writer.end(3)).flatMap((message) => (message.kind === 'element' ? [message.element] : []))
  }
  const hex = '07'.repeat(20)
  t.same(timesWritten(10_000, 28_800_000), [{ key: hex, value: 1, timeout: 28_800_000, expires: 28_800_000 }])
  t.same(timesWritten(2 ** 40 + 5, 2 ** 33 + 3), [{ key: hex, value: 1, timeout: 2 ** 40 + 5, expires: 2 ** 33 + 3 }])
  t.same(timesWritten(10_000, -3), [{ key: hex, value: 1, timeout: 10_000, expires: 1 }])
})

t.test('an element of a set is written without a value', async (t) => {
  const writer = batchWriter({ family: 'netdev', table: 't', name: 's', isSet: true }, 16, 4096)
  const key = new Uint8Array(16).fill(7)
  writer.begin(1)
  writer.add(2, { key, value: 5, timeout: 60_000, expires: 60_000 })
  const bytes = Buffer.from(writer.end(3))
  t.same(read(bytes), [
    { kind: 'element', element: { key: '07'.repeat(16), value: 0, timeout: 60_000, expires: 60_000 } },
  ])
})

t.test('as many elements fit as a transaction has places for', async (t) => {
  const writer = batchWriter({ family: 'netdev', table: 'balancer', name: 'flows_c612064a_3366' }, 20, 8192)
  const element = { key: new Uint8Array(20), value: 1, timeout: 1, expires: 1 }
  writer.begin(0)
  for (let i = 0; i < writer.places; i += 1) {
    writer.remove(i, element.key)
    writer.add(i, element)
  }
  const { length } = writer.end(0)
  t.ok(length <= 8192 && length > 8192 - 300, `${length} bytes`)
})

t.test('whatever comes, reading it ends and throws nothing, and keys lie within the message', async () => {
  const whole = Buffer.concat([recorded, recordedIpv6, recordedRefusal])
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { maxLength: 12 }),
      fc.nat(whole.length),
      (changes, cut) => {
        const bytes = Buffer.from(whole)
        for (const [at, byte] of changes) bytes[at] = byte
        elementReader(bytes)(0, cut, (message) => {
          if (message.kind !== 'element') return
          const { keyAt, keyBytes } = message.element
          if (keyAt + keyBytes > cut || keyBytes < 0) throw new Error('a key beyond the end')
        })
      },
    ),
    { numRuns: 5000 },
  )
})
