// A program for a host of a lab: sends segments out of an interface, one for each line of its input: `ADDRESS PORT FLAGS TO`.

import { createInterface } from 'node:readline'
import { flowSender } from './flow-frames.ts'

const send = await flowSender(process.argv[2] ?? 'eth0')
for await (const line of createInterface({ input: process.stdin })) {
  const [address = '', port, flags, to = ''] = line.split(' ')
  send({ address, port: Number(port), flags: Number(flags), to })
}
process.exit(0)
