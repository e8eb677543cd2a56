// What lasts over a restart: operators' orders, counters and events, as they stand in a file. The file is a memory and not a
// configuration: what the configuration says otherwise by now wins, and a damaged file is as good as none.

import * as z from 'zod'
import type { BalancerConfig } from '../../config/schema.ts'
import { endpointText } from '../../core/endpoint.ts'
import { oneLine } from '../../core/text.ts'
import { type Accounts, type SavedAccount, savedAccount } from './accounts.ts'
import { type Events, maximumEvents } from './events.ts'
import { adminStates, type Orders } from './facts.ts'
import { type Pool, serverKey } from './pool.ts'

/** Bytes of a file that is read at all: 1,000 servers and 1,000 events are a tenth of it. */
export const maximumStateBytes = 16 * 1024 * 1024

const version = 1
const moment = z.number().nonnegative().max(8.64e15)
const longestText = 4096
const text = z.string().max(longestText)

const savedServer = z.object({
  /** What was configured when the orders were given. */
  address: text,
  weight: z.number(),
  orders: z
    .object({
      admin: z.enum(adminStates),
      weight: z.number().int().min(0).max(256).nullable(),
      adminSince: moment.nullable(),
      weightSince: moment.nullable(),
    })
    .nullable(),
})

const savedEvent = z.object({
  at: moment,
  level: z.enum(['info', 'warn', 'error']),
  text: text.transform((line) => oneLine(line, longestText)),
  fields: z.record(z.string(), z.json()),
})

const stateSchema = z.object({
  version: z.literal(version),
  saved_at: moment,
  servers: z.record(z.string(), savedServer),
  accounts: z.record(z.string(), savedAccount),
  events: z.array(savedEvent).max(maximumEvents),
})

type State = z.output<typeof stateSchema>

/** An order that still holds. */
export type LastingOrder = { readonly listener: string; readonly server: string; readonly orders: Orders }

/** What a file gives back. `problems` say what it does not, and why. */
export type LastingState = {
  readonly orders: readonly LastingOrder[]
  readonly accounts: ReadonlyMap<string, SavedAccount>
  readonly events: Events
  readonly problems: readonly string[]
}

const nothing: LastingState = { orders: [], accounts: new Map(), events: [], problems: [] }

/** What is to be remembered now, as the text of the file. */
export const lastingText = (
  config: BalancerConfig,
  pool: Pool,
  accounts: Accounts,
  events: Events,
  now: number,
): string => {
  const servers: Record<string, z.input<typeof savedServer>> = {}
  for (const { name, servers: all } of config.listeners) {
    for (const server of all) {
      const orders = pool.servers.get(serverKey(name, server.name))?.orders
      if (orders === undefined || (orders.admin === 'ready' && orders.weight === null)) continue
      const { admin, weight, adminSince = null, weightSince = null } = orders
      servers[serverKey(name, server.name)] = {
        address: endpointText(server.address),
        weight: server.weight,
        orders: { admin, weight, adminSince, weightSince },
      }
    }
  }
  const state = { version, saved_at: now, servers, accounts: Object.fromEntries(accounts.saved(now)), events }
  return `${JSON.stringify(state)}\n`
}

/** Reads a file for a configuration. Never throws. */
export const readLasting = (content: string, config: BalancerConfig): LastingState => {
  const parsed = stateSchema.safeParse(fromJson(content))
  if (!parsed.success) return { ...nothing, problems: ['it is damaged, or of another version; it is written anew'] }
  const { data } = parsed
  const found = config.listeners.flatMap(({ name, servers }) =>
    servers.map((server) => lastingOrder(name, server, data.servers[serverKey(name, server.name)])),
  )
  return {
    orders: found.flatMap((one) => one.order ?? []),
    accounts: new Map(Object.entries(data.accounts)),
    events: data.events,
    problems: found.flatMap((one) => one.problem ?? []),
  }
}

type Configured = BalancerConfig['listeners'][number]['servers'][number]
type Found = { readonly order?: LastingOrder; readonly problem?: string }

const lastingOrder = (listener: string, server: Configured, saved: State['servers'][string] | undefined): Found => {
  if (saved?.orders == null) return {}
  const name = serverKey(listener, server.name)
  if (saved.address !== endpointText(server.address)) {
    return { problem: `${name} has another address than before: the orders given for it are forgotten` }
  }
  const { orders } = saved
  const place = { listener, server: server.name }
  if (orders.weight === null || saved.weight === server.weight) return { order: { ...place, orders } }
  const problem = `${name} has another weight in the configuration than before: the ordered weight ${orders.weight} is forgotten`
  const left = { ...orders, weight: null, weightSince: null }
  return left.admin === 'ready' ? { problem } : { order: { ...place, orders: left }, problem }
}

const fromJson = (content: string): unknown => {
  try {
    return JSON.parse(content)
  } catch {
    return undefined
  }
}
