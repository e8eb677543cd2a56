// Inside the balancer of the lab: brings the rules into force and ends sessions as the datapath does.

import pino from 'pino'
import { endpointText } from '../../../../balancer/core/endpoint.ts'
import { millis } from '../../../../balancer/core/time.ts'
import { directOwnTable, directTable } from '../../../../balancer/datapath/direct/core/direct-table.ts'
import { endingFlows } from '../../../../balancer/datapath/direct/ending-flows.ts'
import { createDirectEndings, directPace } from '../../../../balancer/datapath/direct/endings.ts'
import { watchFlows } from '../../../../balancer/datapath/direct/flow-watch.ts'
import { openSessionResets } from '../../../../balancer/datapath/resets/session-resets.ts'
import { changeText } from '../../../../balancer/datapath/rules/core/change.ts'
import { tableText } from '../../../../balancer/datapath/rules/core/table.ts'
import { findTable } from '../../../../balancer/datapath/rules/own-table.ts'
import { applyRules } from '../../../../balancer/os/nft.ts'
import { openNftElements } from '../../../../balancer/os/nft-elements.ts'
import type { Outcome } from '../../../../balancer/os/outcome.ts'
import type { EndingsOrder, EndingsTold } from './endings-messages.ts'

const must = <T>(outcome: Outcome<T>): T => {
  if (!outcome.ok) throw new Error(outcome.text)
  return outcome.value
}

const log = pino({ level: 'debug' })
const elements = must(openNftElements())
const flows = watchFlows({
  elements,
  onLook: () => {},
  onRound: () => {},
  onFailure: (bind, _, text) => log.error(`${bind}: ${text}`),
})
const resets = must(openSessionResets(directPace, (text) => log.error(`No reset: ${text}`)))
let listeners: Extract<EndingsOrder, { do: 'rules' }>['listeners'] = []
let mac = ''
const endings = createDirectEndings({
  flows: endingFlows(flows, elements),
  resets,
  clientsOf: flows.clientsOf,
  placeOf: (bind, number) => {
    const listener = listeners.find(({ binds }) => binds.some((one) => endpointText(one) === endpointText(bind)))
    const server = listener?.servers.find((one) => one.number === number)
    return server === undefined ? undefined : { ...server, from: mac }
  },
  log,
})

const apply = async (order: Extract<EndingsOrder, { do: 'rules' }>): Promise<void> => {
  listeners = order.listeners
  mac = order.host.devices[0]?.mac ?? ''
  const there = must(await findTable(directOwnTable))
  const table = directTable(listeners, order.host)
  const change = there === null ? tableText(table) : changeText(there.snapshot, table)
  if (change !== '') must(await applyRules(change))
  const binds = listeners.flatMap((one) => one.binds)
  flows.setBinds(binds.map((bind) => ({ ...bind, idle: millis(28_800_000), connect: millis(5000) })))
  await flows.lookAround()
  endings.setBinds(binds)
}
const nothing: EndingsTold = { sessions: [], trouble: null }
const carryOut = async (order: EndingsOrder): Promise<EndingsTold> => {
  switch (order.do) {
    case 'rules':
      await apply(order)
      return nothing
    case 'see':
      must(await flows.look(endpointText(order.bind)))
      return nothing
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
