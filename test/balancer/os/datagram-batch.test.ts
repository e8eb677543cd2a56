import { createSocket } from 'node:dgram'
import t from 'tap'
import { createDatagramBatch } from '../../../balancer/os/datagram-batch.ts'
import { callBind, callClose, callGetSocketName, callSocket, lastError } from '../../../balancer/os/libc.ts'
import { waitFor } from '../../lab/wait-for.ts'

const [afInet, sockDgram] = [2, 2]
const loopback = (): Buffer => Buffer.from([afInet, 0, 0, 0, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0])

t.test('datagrams come in order, as many as there is room for, and those that are cut are told', async (t) => {
  const fd = callSocket(afInet, sockDgram, 0)
  t.teardown(() => callClose(fd))
  t.equal(callBind(fd, loopback(), 16), 0)
  const [address, length] = [loopback(), Buffer.from(Uint32Array.of(16).buffer)]
  callGetSocketName(fd, address, length)
  const sender = createSocket('udp4')
  t.teardown(() => sender.close())
  const send = (text: string): Promise<void> =>
    new Promise((resolve) => sender.send(text, address.readUInt16BE(2), '127.0.0.1', () => resolve()))

  const batch = createDatagramBatch(4, 8)
  // Whatever runs in between may have an error of its own, or take this one away.
  t.same([batch.receive(fd), lastError()], [-1, 'EAGAIN'])
  const sent = ['one', 'two', 'longer than 8', 'four', 'five', '']
  for (const text of sent) await send(text)
  const taken: string[] = []
  const cut: boolean[] = []
  const counts: number[] = []
  await waitFor('all to have come', async () => {
    const count = batch.receive(fd)
    if (count > 0) counts.push(count)
    for (let i = 0; i < count; i += 1) {
      const start = i * batch.placeBytes
      taken.push(Buffer.from(batch.buffer.subarray(start, start + batch.lengthOf(i))).toString())
      cut.push(batch.isCut(i))
    }
    return taken.length === sent.length
  })
  t.same(taken, ['one', 'two', 'longer t', 'four', 'five', ''])
  t.same(cut, [false, false, true, false, false, false])
  t.same(counts, [4, 2])
})
