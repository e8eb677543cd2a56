// A thousand servers in one process: it answers checks on whatever address of its host they come to, and notes how far each was
// from its time. A message asks for what was noted since the last one.

import { createServer } from 'node:http'
import { performance } from 'node:perf_hooks'

const [port, interval] = process.argv.slice(2).map(Number)
if (port === undefined || interval === undefined) throw new Error('the port and the interval of checks are needed')

let offBy: number[] = []
const last = new Map<string, number>()
createServer((request, response) => {
  const now = performance.now()
  const { localAddress, localPort } = request.socket
  const server = `${localAddress} ${localPort} ${request.url}`
  const before = last.get(server)
  last.set(server, now)
  if (before !== undefined) offBy.push(Math.abs(now - before - interval))
  response.end('MySQL is running.\r\n')
}).listen(port)

process.on('message', () => {
  process.send?.(offBy)
  offBy = []
})
process.on('disconnect', () => process.exit())
