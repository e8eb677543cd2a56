import fc from 'fast-check'
import t from 'tap'
import {
  type ConntrackMessage,
  conntrackReader,
  deleteRequest,
  flowOf,
} from '../../../balancer/os/conntrack-message.ts'

/** A DESTROY event in the form of Linux 6.18: a refused connect. */
const recorded = Buffer.from(
  `00000000 02010000 00000000 00000000 02000000
   34000180 14000180 08000100 c6120102 08000200 c6120164 1c000280 05000100 06000000 06000200 cc700000 06000300 0d260000
   34000280 14000180 08000100 c6120202 08000200 c6120164 1c000280 05000100 06000000 06000200 0cea0000 06000300 cc700000
   08000c00 550151ff 08000300 00000008 08000700 00000078 08000800 000000b1
   10000980 0c000200 00000000 0000003c 10000a80 0c000200 00000000 00000028
   10000480 0c000180 05000100 08000000`.replace(/\s/g, ''),
  'hex',
)
recorded.writeUInt32LE(recorded.length, 0)
/** Where it has the client's port, and where its counters begin. */
const [sourcePortAt, countersAt] = [recorded.indexOf('cc70', 'hex'), recorded.indexOf('10000980', 'hex')]

const read = (bytes: Uint8Array): readonly ConntrackMessage[] => {
  const messages: ConntrackMessage[] = []
  conntrackReader(bytes)(0, bytes.length, (message) => messages.push(message))
  return messages
}

t.test('an event of the kernel is read', async (t) => {
  const [message] = read(recorded)
  t.match(message, {
    kind: 'entry',
    entry: {
      change: 'destroy',
      family: 'ipv4',
      id: 0x550151ff,
      mark: 0xb1,
      hasReply: false,
      tcpState: 'close',
      remaining: 120,
      startedAt: null,
      bytes: { original: 60, reply: 40 },
    },
  })
  if (message?.kind !== 'entry') return
  t.match(flowOf(message.entry.original), { family: 'ipv4', sourcePort: 52336, destinationPort: 3366 })
  t.same([...(flowOf(message.entry.reply)?.source ?? [])], [198, 18, 2, 2])
  const request = Buffer.from(deleteRequest(7, message.entry))
  t.same(request.subarray(20, 72), recorded.subarray(20, 72), 'a delete repeats the flow of the client')
  t.equal(request.subarray(72).toString('hex'), '08000c00550151ff', 'and the id')
})

t.test('a reader gives what is in the buffer now, wherever it was told to look', async (t) => {
  const place = 2048
  const buffer = new Uint8Array(3 * place)
  const reader = conntrackReader(buffer)
  const recordedPorts = Buffer.from(recorded)
  const seen = (start: number, end: number): readonly unknown[] => {
    const found: unknown[] = []
    reader(start, end, (message) => {
      if (message.kind !== 'entry') return
      const { id, bytes, original, reply } = message.entry
      found.push([id, bytes?.original, flowOf(original)?.sourcePort, flowOf(reply)?.destinationPort])
    })
    return found
  }
  for (const [at, port] of [
    [0, 1000],
    [place, 2000],
    [0, 3000],
    [7, 4000],
  ] as const) {
    recordedPorts.writeUInt16BE(port, sourcePortAt)
    buffer.set(recordedPorts, at)
    t.same(seen(at, at + recorded.length), [[0x550151ff, 60, port, 52336]])
  }
  const withoutCounters = Buffer.from(recorded.subarray(0, countersAt))
  withoutCounters.writeUInt32LE(withoutCounters.length, 0)
  buffer.set(withoutCounters, 0)
  buffer.set(recorded, withoutCounters.length)
  t.same(seen(0, withoutCounters.length + recorded.length), [
    [0x550151ff, undefined, 52336, 52336],
    [0x550151ff, 60, 52336, 52336],
  ])
})

t.test('whatever comes, reading it ends and throws nothing', async () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(recorded.length - 1), fc.nat(255)), { maxLength: 12 }),
      fc.nat(recorded.length),
      (changes, cut) => {
        const bytes = Buffer.from(recorded)
        for (const [at, byte] of changes) bytes[at] = byte
        for (const message of read(bytes.subarray(0, cut))) if (message.kind === 'entry') flowOf(message.entry.original)
      },
    ),
    { numRuns: 5000 },
  )
})
