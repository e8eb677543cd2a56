// A server of a lab: tells each client its name, answers "bye" with the end, and prints how many sessions it has and how many were reset.

import { createServer } from 'node:net'

const [name = '', port, address] = process.argv.slice(2)
let [open, reset] = [0, 0]
const server = createServer({ noDelay: true }, (socket) => {
  open += 1
  socket.on('data', (bytes) => {
    const text = bytes.toString()
    if (text.startsWith('who')) socket.write(`${name}\n`)
    if (text.startsWith('bye')) socket.end('bye\n')
  })
  socket.on('error', () => {
    reset += 1
  })
  socket.on('close', () => {
    open -= 1
  })
})
server.listen({ port: Number(port), host: address, backlog: 4096 }, () => process.stdout.write('ready\n'))
process.on('message', () => process.send?.({ open, reset }))
