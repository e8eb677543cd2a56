// A program for a host of a lab with the rules of flow-states.ts: plays clients packet by packet, and prints what the book of flows
// makes of the map after each.

import { execFileSync } from 'node:child_process'
import { millis } from '../../../../balancer/core/time.ts'
import { createFlowBook } from '../../../../balancer/datapath/direct/core/flow-book.ts'
import { clientsOf, flowKey, flowKeyBytes, prefixBytes } from '../../../../balancer/datapath/direct/core/flow-key.ts'
import { endedBit } from '../../../../balancer/datapath/direct/core/flow-marks.ts'
import { flowsName, prefixesName, tableName } from '../../../../balancer/datapath/direct/core/names.ts'
import { type NftMap, openNftElements } from '../../../../balancer/os/nft-elements.ts'
import { slotsOf } from '../../../../balancer/pool/core/slot-table.ts'
import { flowSender, tcpFlags } from './flow-frames.ts'
import { binds, slots, timeouts } from './flow-states.ts'

const send = await flowSender('v0')
const opened = openNftElements()
if (!opened.ok) throw new Error(opened.text)
const elements = opened.value
const { syn, ack, fin, rst } = tcpFlags
const print = (value: unknown): void => void process.stdout.write(`${JSON.stringify(value)}\n`)
/** How much of what clients sent has gone to servers as their traffic. */
const counted = (): number => {
  const text = execFileSync('nft', ['list', 'counters', 'table', 'netdev', tableName], { encoding: 'utf8' })
  const packets = [...text.matchAll(/counter server[^{]*\{\s*packets (\d+)/g)].map(([, number]) => Number(number))
  return packets.reduce((all, one) => all + one, 0)
}
const numbers = slotsOf(slots).map((server) => Number(server.slice(2)))

for (const [family, client] of [
  ['ipv4', '198.18.0.200'],
  ['ipv6', '2001:2::200'],
] as const) {
  const { address: to, port } = binds[family]
  const map: NftMap = { family: 'netdev', table: tableName, name: flowsName(to, port) }
  const book = createFlowBook(flowKeyBytes[family], 1)
  const look = async () => {
    const at = millis(performance.now())
    book.beginLook({ at, ...timeouts })
    const dumped = await elements.dump(map, book.see)
    if (!dumped.ok) throw new Error(dumped.text)
    return book.endLook({ at: millis(performance.now()), isTorn: dumped.value.isTorn })
  }
  const stateAfter = async (from: number, flags: number): Promise<void> => {
    send({ address: client, port: from, flags, to })
    const { begun, gone } = await look()
    const flow = book.find(flowKey({ address: client, port: from }))
    print({ state: flow?.state ?? null, begun: begun.length, gone: gone.map(({ reason }) => reason) })
  }
  await look()
  // A session, its normal end with the last ACK after FIN, the port again, and its end by RST.
  for (const flags of [syn, ack, fin | ack, ack, syn, ack, rst, ack]) await stateAfter(1000, flags)
  // A session that was there before the rules, and a SYN in the middle of it.
  for (const flags of [ack, ack, syn, syn]) await stateAfter(2000, flags)
  // Many of them: each at the server that its slot says, and no exception.
  for (let i = 0; i < 200; i += 1) for (const flags of [syn, ack]) send({ address: client, port: 3000 + i, flags, to })
  await look()
  const now = millis(performance.now())
  const own = { ...slots, numbers }
  const none = { ...slots, numbers: numbers.map(() => 0) }
  const live = [1, 2].map((number) => book.counts(number).live)
  const exceptions = [[own], [none], [own, none]].map((tables) => book.exceptionsAgainst(tables, now).length)
  print({ live: live.reduce((all, one) => all + one, 0), areBothUsed: live.every((one) => one > 50), exceptions })
  // Some are ended by this program, which their clients' packets do not change.
  const some = [3000, 3001].map((from) => flowKey({ address: client, port: from }))
  const expires = millis(60_000)
  const ended = some.map((key) => ({ key, value: (book.find(key)?.number ?? 0) | endedBit, timeout: expires, expires }))
  await elements.replace(map, ended)
  for (const flags of [ack, rst, syn]) await stateAfter(3000, flags)
  const prefixes: Uint8Array[] = []
  const seen = await elements.dump({ ...map, name: prefixesName, isSet: true }, ({ buffer, keyAt }) => {
    prefixes.push(buffer.slice(keyAt, keyAt + prefixBytes))
  })
  // Resets without a session: of a kernel that knows of none, and of a client whose session is another balancer's.
  const countedBefore = counted()
  await stateAfter(4000, rst)
  await stateAfter(4000, rst | ack)
  print({ counted: counted() - countedBefore })
  print({ clients: seen.ok ? clientsOf(some[0] ?? new Uint8Array(), prefixes) : seen.text })
}
elements.close()
