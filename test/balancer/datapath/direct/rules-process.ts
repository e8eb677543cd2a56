// Inside a host: brings tables into force as the driver does, and tells what is there.

import { pino } from 'pino'
import {
  type DirectHost,
  type DirectListener,
  directOwnTable,
  directTable,
} from '../../../../balancer/datapath/direct/core/direct-table.ts'
import { foundServers } from '../../../../balancer/datapath/direct/core/found-servers.ts'
import { localOwnTable, localTable } from '../../../../balancer/datapath/direct/core/local-table.ts'
import { isFilledByTraffic } from '../../../../balancer/datapath/direct/core/names.ts'
import { changeText } from '../../../../balancer/datapath/rules/core/change.ts'
import type { OwnTable } from '../../../../balancer/datapath/rules/core/ownership.ts'
import { type Table, tableText } from '../../../../balancer/datapath/rules/core/table.ts'
import { findTable } from '../../../../balancer/datapath/rules/own-table.ts'
import { keepRules } from '../../../../balancer/datapath/rules/rule-keeper.ts'
import { applyRules } from '../../../../balancer/os/nft.ts'
import type { Outcome } from '../../../../balancer/os/outcome.ts'

/** What it is asked; `put` by default adopts what is there. */
export type RulesOrder = { readonly number: number } & (
  | { readonly do: 'put'; readonly listeners: readonly DirectListener[]; readonly host: DirectHost }
  | { readonly do: 'look' }
  /** Keeps these rules from now on, as the driver does. */
  | { readonly do: 'keep'; readonly listeners: readonly DirectListener[]; readonly host: DirectHost }
  | { readonly do: 'count-repairs' }
)

/** `change`: the transaction that was needed, empty where none was. */
export type RulesAnswer = {
  readonly number: number
  readonly change?: string
  readonly counters?: readonly (readonly [string, number])[]
  readonly servers?: ReturnType<typeof foundServers>
  readonly repairs?: number
  readonly error?: string
}

const must = <T>(outcome: Outcome<T>): T => {
  if (!outcome.ok) throw new Error(outcome.text)
  return outcome.value
}

const bring = async (own: OwnTable, table: Table): Promise<string> => {
  const there = must(await findTable(own))
  const change = there === null ? tableText(table) : changeText(there.snapshot, table)
  if (change !== '') must(await applyRules(change))
  return change
}

let repairs = 0

const keep = async (listeners: readonly DirectListener[], host: DirectHost): Promise<void> => {
  const rules = keepRules({
    own: directOwnTable,
    isFilledByOthers: isFilledByTraffic,
    there: must(await findTable(directOwnTable))?.snapshot ?? null,
    wanted: () => directTable(listeners, host),
    onOthers: () => {},
    onRepaired: () => {
      repairs += 1
    },
    log: pino({ level: 'silent' }),
  })
  must(await rules.change())
}

const carryOut = async (order: RulesOrder): Promise<Omit<RulesAnswer, 'number'>> => {
  if (order.do === 'count-repairs') return { repairs }
  if (order.do === 'keep') {
    await keep(order.listeners, order.host)
    return {}
  }
  if (order.do === 'look') {
    const there = must(await findTable(directOwnTable))
    const counters = [...(there?.counters ?? [])].map(([name, { packets }]) => [name, packets] as const)
    return { counters, servers: there === null ? [] : foundServers(there) }
  }
  const change = await bring(directOwnTable, directTable(order.listeners, order.host))
  return { change: `${change}${await bring(localOwnTable, localTable(order.listeners))}` }
}

process.on('message', (order: RulesOrder) => {
  carryOut(order).then(
    (answer) => process.send?.({ number: order.number, ...answer }),
    (error: Error) => process.send?.({ number: order.number, error: error.message }),
  )
})
process.once('disconnect', () => process.exit(0))
