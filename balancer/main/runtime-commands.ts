// What the runtime socket understands, wired to those who know the answers.

import type { Status } from '../admin/core/model/status.ts'
import { describePeers } from '../admin/core/views/peers-text.ts'
import { showEvents, showServers, showSessions, showStatus, toJson } from '../admin/core/views/show.ts'
import { describeRouters } from '../admin/core/views/vrrp-text.ts'
import { type RuntimeCommand, RuntimeError } from '../admin/socket/runtime-socket.ts'
import { parseIpAddress } from '../config/values.ts'
import type { Events } from '../pool/core/events.ts'
import type { ServerHealthFact } from '../pool/core/facts.ts'
import { describeOrder } from '../pool/core/holders.ts'
import { parseServerOrder, type ServerOrder } from '../pool/core/server-order.ts'
import {
  describeEnded,
  endedCount,
  parseSessionOrder,
  type SessionsEnded,
  type SessionsToEnd,
} from '../pool/core/session-order.ts'
import { type ReloadResult, type RouterOrder, routerOrders } from '../supervisor/messages.ts'

/**
 * Who knows the answers. `order` tells what the server is then, undefined where there is no such server. `by` is who ordered it, in
 * words for the log.
 */
export type RuntimeSources = {
  readonly requestReload: () => Promise<ReloadResult>
  readonly requestReexec: () => Promise<ReloadResult>
  readonly orderRouter: (instance: string, order: RouterOrder, by: string) => Promise<ReloadResult>
  readonly status: () => Status
  readonly events: () => Events
  readonly endSessions: (end: SessionsToEnd, by: string) => Promise<SessionsEnded>
  readonly order: (order: Extract<ServerOrder, { ok: true }>, by: string) => ServerHealthFact | undefined
}

/** Makes the table of commands for one who gives orders. */
export const runtimeCommands = (
  sources: RuntimeSources,
  by = 'an operator',
): Readonly<Record<string, RuntimeCommand>> => {
  const shows: Readonly<Record<string, (json: boolean) => string>> = {
    servers: (json) => showServers(sources.status(), json),
    vrrp: (json) => (json ? toJson(sources.status().vrrp) : describeRouters(sources.status().vrrp)),
    peers: (json) => (json ? toJson(sources.status().peers) : describePeers(sources.status().peers)),
    sessions: (json) => showSessions(sources.status(), json),
    events: (json) => showEvents(sources.events(), json, iso),
    status: (json) => showStatus(sources.status(), sources.events(), json, iso),
  }
  /** What is not there of a server, and what is. */
  const absence = (place: { readonly listener: string; readonly server: string }): string | undefined => {
    const listener = sources.status().listeners.find(({ name }) => name === place.listener)
    if (listener === undefined) return `there is no listener ${place.listener}; show servers lists all`
    const names = listener.servers.map(({ name }) => name)
    if (names.includes(place.server)) return undefined
    return `there is no server ${place.server} in ${place.listener}; there are ${names.join(', ')}`
  }
  return {
    reload: async () => answerOf(await sources.requestReload()),

    reexec: async () => answerOf(await sources.requestReexec()),

    vrrp: async (words) => {
      const [instance, word, ...rest] = words
      const order = routerOrders.find((known) => known === word)
      if (instance === undefined || order === undefined || rest.length > 0) {
        throw new RuntimeError(`write: vrrp INSTANCE ${routerOrders.join('|')}`)
      }
      return answerOf(await sources.orderRouter(instance, order, by))
    },

    show: (words) => {
      const [what = 'servers', ...rest] = words.filter((word) => word !== '--json')
      const show = Object.hasOwn(shows, what) ? shows[what] : undefined
      if (show === undefined || rest.length > 0) {
        throw new RuntimeError(`write: show ${Object.keys(shows).join('|')} [--json]`)
      }
      return show(words.includes('--json'))
    },

    server: (words) => {
      const order = parseServerOrder(words)
      if (!order.ok) throw new RuntimeError(order.text)
      const fact = sources.order(order, by)
      if (fact === undefined) throw new RuntimeError(absence(order) ?? 'it has just gone; try again')
      return `${order.listener}/${order.server}: ${describeOrder(order.words, fact, iso)}`
    },

    sessions: async (words) => {
      const order = parseSessionOrder(words, parseIpAddress)
      if (!order.ok) throw new RuntimeError(order.text)
      const { end } = order
      const result = await sources.endSessions(end, by)
      const hasNone = endedCount(result) === 0
      // One that a reload took away may have had sessions still.
      const missing = end.by === 'server' && hasNone ? absence(end) : undefined
      if (missing !== undefined) throw new RuntimeError(missing)
      const text = describeEnded(end, result)
      if (result.troubles.length === 0) return text
      throw new RuntimeError([...(hasNone ? [] : [text]), ...result.troubles].join('; but '))
    },
  }
}

const iso = (moment: number): string => new Date(moment).toISOString()

const answerOf = ({ ok, lines }: ReloadResult): string => {
  const text = lines.join('\n')
  if (!ok) throw new RuntimeError(text)
  return text
}
