// A program for hosts of a lab: follows the way to each address that it is given, and prints what it knows at each change.

import pino from 'pino'
import { watchSegment } from '../../../../balancer/datapath/direct/segment.ts'
import { listenerOf } from '../planning.ts'

const [bind = '', ...servers] = process.argv.slice(2)
const endpoint = (address: string, port: number): string =>
  address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
const listener = listenerOf(
  { bind: endpoint(bind, 3306) },
  servers.map((address, i) => ({ name: `db${i + 1}`, address: endpoint(address, 3306) })),
)
const segment = await watchSegment({
  listeners: () => [listener],
  places: () => [],
  balancers: () => [],
  onChange: () => print(),
  log: pino({ base: null, timestamp: false }),
})
const print = (): void => {
  const paths = servers.map((address) => segment.pathOf(address))
  process.stdout.write(`${JSON.stringify({ paths, ...segment.host() })}\n`)
}
print()
