// A program for hosts of a lab: sends the Ethernet frames given as hexadecimal in its third argument out of the interface
// whose index is the first, in turn, as many as the second says: `count`, or `count/seconds` spread evenly over that time.

import { setTimeout as sleep } from 'node:timers/promises'
import { openPacketSocket } from '../../../balancer/os/packet-socket.ts'

const [index = '', amount = '', ...given] = process.argv.slice(2)
const frames = given.map((frame) => Buffer.from(frame, 'hex'))
const [count = 0, seconds = 0] = amount.split('/').map(Number)
const opened = openPacketSocket()
if (!opened.ok) throw new Error(opened.text)
const startedAt = performance.now()
const pause = 2
let refusals = 0
for (let sent = 0; sent < count; ) {
  const elapsed = performance.now() - startedAt
  const due = seconds === 0 ? count : Math.min(count, Math.ceil((elapsed / seconds / 1000) * count))
  for (; sent < due; sent += 1) {
    const frame = frames[sent % frames.length]
    if (frame === undefined || !opened.value.send(Number(index), frame).ok) refusals += 1
  }
  await sleep(pause)
}
process.stdout.write(`${count - refusals} frames in ${Math.round(performance.now() - startedAt)} ms\n`)
opened.value.close()
