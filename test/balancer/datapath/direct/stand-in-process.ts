// Inside a host of the lab: a database as far as sessions go. A client says in its first line what it wants: `wait` for an answer
// that never comes, `stream` without an end, `echo` of what it says.

import { createServer } from 'node:net'

const [name = '', port = '', address = '0.0.0.0'] = process.argv.slice(2)
const chunk = Buffer.alloc(64 * 1024, 'x')

const server = createServer((socket) => {
  socket.on('error', () => socket.destroy())
  socket.write(`${name}\n`)
  socket.once('data', (said) => {
    const wish = said.toString().trim()
    if (wish === 'stream') {
      const pour = (): void => {
        while (!socket.destroyed && socket.write(chunk)) {}
      }
      socket.on('drain', pour)
      pour()
    } else if (wish === 'echo') socket.pipe(socket)
    else socket.resume()
  })
})
server.listen({ port: Number(port), host: address, backlog: 4096 }, () => process.stdout.write('ready\n'))
