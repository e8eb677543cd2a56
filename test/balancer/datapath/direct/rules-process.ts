// Inside a host: brings tables into force as the driver does, and tells what is there.

import {
  type DirectHost,
  type DirectListener,
  directOwnTable,
  directTable,
} from '../../../../balancer/datapath/direct/core/direct-table.ts'
import { foundServers } from '../../../../balancer/datapath/direct/core/found-servers.ts'
import { changeText } from '../../../../balancer/datapath/rules/core/change.ts'
import { tableText } from '../../../../balancer/datapath/rules/core/table.ts'
import { findTable } from '../../../../balancer/datapath/rules/own-table.ts'
import { applyRules } from '../../../../balancer/os/nft.ts'
import type { Outcome } from '../../../../balancer/os/outcome.ts'

/** What it is asked; `put` by default adopts what is there. */
export type RulesOrder = { readonly number: number } & (
  | { readonly do: 'put'; readonly listeners: readonly DirectListener[]; readonly host: DirectHost }
  | { readonly do: 'look' }
)

/** `change`: the transaction that was needed, empty where none was. */
export type RulesAnswer = {
  readonly number: number
  readonly change?: string
  readonly counters?: readonly (readonly [string, number])[]
  readonly servers?: ReturnType<typeof foundServers>
  readonly error?: string
}

const must = <T>(outcome: Outcome<T>): T => {
  if (!outcome.ok) throw new Error(outcome.text)
  return outcome.value
}

const carryOut = async (order: RulesOrder): Promise<Omit<RulesAnswer, 'number'>> => {
  const there = must(await findTable(directOwnTable))
  if (order.do === 'look') {
    const counters = [...(there?.counters ?? [])].map(([name, { packets }]) => [name, packets] as const)
    return { counters, servers: there === null ? [] : foundServers(there) }
  }
  const table = directTable(order.listeners, order.host)
  const change = there === null ? tableText(table) : changeText(there.snapshot, table)
  if (change !== '') must(await applyRules(change))
  return { change }
}

process.on('message', (order: RulesOrder) => {
  carryOut(order).then(
    (answer) => process.send?.({ number: order.number, ...answer }),
    (error: Error) => process.send?.({ number: order.number, error: error.message }),
  )
})
process.once('disconnect', () => process.exit(0))
