// Inside the balancer of the lab: ends sessions as the datapath does, in maps that hand-written rules keep. The program nft lists
// and changes them here.

import { spawnSync } from 'node:child_process'
import pino from 'pino'
import { type Endpoint, endpointText } from '../../../../balancer/core/endpoint.ts'
import { addressBytes, addressText } from '../../../../balancer/core/ip-address.ts'
import type { EndingFlow } from '../../../../balancer/datapath/direct/core/ending.ts'
import { flowKey } from '../../../../balancer/datapath/direct/core/flow-key.ts'
import type { ServerPlace } from '../../../../balancer/datapath/direct/core/wake-up.ts'
import { createDirectEndings, directPace, type EndingFlows } from '../../../../balancer/datapath/direct/endings.ts'
import { openSessionResets } from '../../../../balancer/datapath/resets/session-resets.ts'
import { type Outcome, refused } from '../../../../balancer/os/outcome.ts'
import { type EndingsOrder, type EndingsTold, mapOf } from './endings-messages.ts'

const ended = 0x4000
const closing = 0x8000

const nft = (words: readonly string[], input = ''): Outcome<string> => {
  const { status, stdout, stderr } = spawnSync('nft', words, { input, encoding: 'utf8', maxBuffer: 2 ** 28 })
  if (status === 0) return { ok: true, value: stdout }
  return refused(stderr.includes('No such file') ? 'ENOENT' : 'EIO', stderr)
}

type Listed = { readonly nftables: readonly { readonly map?: { readonly elem?: readonly Pair[] } }[] }
type Pair = readonly [{ readonly elem: { readonly val: { readonly concat: readonly (string | number)[] } } }, number]

const lowFrom = 4
/** All addresses of the lab begin alike. */
const lowAddress = (low: bigint): Uint8Array =>
  Uint8Array.of(...addressBytes('fd00::').slice(0, lowFrom), ...Buffer.from(low.toString(16).padStart(24, '0'), 'hex'))

/** When each was first seen, and the look before. */
const known = new Map<string, { readonly begunAfter: number; readonly begunBy: number }>()
const lookedAt = new Map<string, number>()

const list = (bind: Endpoint): Outcome<readonly EndingFlow[]> => {
  const listed = nft(['-j', 'list', 'map', 'netdev', 'balancer', mapOf(bind)])
  if (!listed.ok) return listed
  const { nftables } = JSON.parse(listed.value) as Listed
  const before = lookedAt.get(mapOf(bind)) ?? Number.NEGATIVE_INFINITY
  const now = before === Number.NEGATIVE_INFINITY ? before : performance.now()
  lookedAt.set(mapOf(bind), performance.now())
  const flows = (nftables.flatMap(({ map }) => map?.elem ?? []) as Pair[]).map(([{ elem }, mark]): EndingFlow => {
    const [first = '', second = ''] = elem.val.concat
    // IPv6: the port, and the last 96 bits of the address as a number.
    const address = typeof first === 'string' ? first : addressText(lowAddress(BigInt(second)))
    const port = Number(typeof first === 'string' ? second : first)
    const key = `${mapOf(bind)} ${address} ${port} ${mark & 0x3fff}`
    const begun = known.get(key) ?? { begunAfter: before, begunBy: now }
    known.set(key, begun)
    return {
      key: keyFor(address, port),
      number: mark & 0x3fff,
      state: (mark & ended) !== 0 ? 'ended' : (mark & closing) !== 0 ? 'closing' : 'live',
      ...begun,
    }
  })
  return { ok: true, value: flows }
}
const clients = new Map<string, Endpoint>()
const keyFor = (address: string, port: number): Uint8Array => {
  const key = flowKey({ address, port })
  clients.set(String(key), { address, port })
  return key
}
const clientOf = (key: Uint8Array): Endpoint => clients.get(String(key)) ?? { address: '192.0.2.1', port: 1 }
const keyText = ({ key }: EndingFlow): string => {
  const { address, port } = clientOf(key)
  if (!address.includes(':')) return `${address} . ${port}`
  return `${port} . 0x${Buffer.from(addressBytes(address).slice(lowFrom)).toString('hex')}`
}
const change = (bind: Endpoint, flows: readonly EndingFlow[], timeout: number | null): Outcome<readonly boolean[]> => {
  const names = `netdev balancer ${mapOf(bind)}`
  const marked = flows.map((flow) => `${keyText(flow)} timeout ${timeout}ms : ${flow.number | ended}`)
  const removal = `delete element ${names} { ${flows.map(keyText).join(', ')} }\n`
  const changed = nft(
    ['-f', '-'],
    timeout === null ? removal : `${removal}add element ${names} { ${marked.join(', ')} }\n`,
  )
  return changed.ok ? { ok: true, value: flows.map(() => true) } : changed
}
const flows: EndingFlows = {
  list: async (bind) => list(bind),
  mark: async (bind, those, timeout) => change(bind, those, timeout),
  remove: async (bind, those) => change(bind, those, null),
}

const log = pino({ level: 'debug' })
const opened = openSessionResets(directPace, (text) => log.error(`No reset: ${text}`))
if (!opened.ok) throw new Error(opened.text)
const places = new Map<number, ServerPlace>()
const endings = createDirectEndings({
  flows,
  resets: opened.value,
  clientsOf: (key) => [clientOf(key)],
  placeOf: (_, number) => places.get(number),
  log,
})

const nothing: EndingsTold = { sessions: [], trouble: null }
const carryOut = async (order: EndingsOrder): Promise<EndingsTold> => {
  switch (order.do) {
    case 'places':
      places.clear()
      for (const { number, place } of order.places) places.set(number, place)
      return nothing
    case 'binds':
      endings.setBinds(order.binds)
      return nothing
    case 'see':
      return list(order.bind).ok ? nothing : { ...nothing, trouble: endpointText(order.bind) }
    case 'end': {
      const { bind, server, client, ago, waits } = order
      const begunBefore = ago === null ? Number.POSITIVE_INFINITY : performance.now() - ago
      const { sessions, trouble } = await endings.end(bind, { server, client, begunBefore }, { waits })
      return { sessions: [...sessions], trouble }
    }
    case 'left':
      endings.addressLeft(order.address)
      return nothing
    case 'came':
      endings.addressCame(order.address)
      return nothing
    case 'told':
      await endings.told()
      return nothing
  }
}

process.on('message', async (order: EndingsOrder) => void process.send?.(await carryOut(order)))
process.once('disconnect', () => process.exit(0))
process.stdout.write('ready\n')
