// The commands that the command line of `balancer` has as well, wired to those who know the answers.

import type { WordsOf } from '../admin/core/commands/table.ts'
import type { Status } from '../admin/core/model/status.ts'
import { describePeers } from '../admin/core/views/peers-text.ts'
import { showEvents, showServers, showSessions, showStatus, toJson } from '../admin/core/views/show.ts'
import { describeRouters } from '../admin/core/views/vrrp-text.ts'
import { parseIpAddress } from '../config/values.ts'
import { describeOrder } from '../pool/core/holders.ts'
import { parseServerOrder } from '../pool/core/server-order.ts'
import { describeEnded, endedCount, parseSessionOrder } from '../pool/core/session-order.ts'
import { type ReloadResult, routerOrders } from '../supervisor/messages.ts'
import { type Run, RuntimeError, type RuntimeSources } from './runtime-sources.ts'

/** One function for each of our commands. */
export const ownCommands = (sources: RuntimeSources): Readonly<Record<WordsOf<'balancer'>, Run>> => {
  /** What is not there of a server, and what is. */
  const absence = (place: { readonly listener: string; readonly server: string }): string | undefined => {
    const listener = sources.status().listeners.find(({ name }) => name === place.listener)
    if (listener === undefined) return `there is no listener ${place.listener}; show servers lists all`
    const names = listener.servers.map(({ name }) => name)
    if (names.includes(place.server)) return undefined
    return `there is no server ${place.server} in ${place.listener}; there are ${names.join(', ')}`
  }
  return {
    'show servers': (words) => {
      const names = words.filter((word) => word !== '--json')
      return showServers(among(sources.status(), names), words.includes('--json'))
    },

    'show status': shown('status', (json) => showStatus(sources.status(), sources.events(), json, iso)),

    'show vrrp': shown('vrrp', (json) =>
      json ? toJson(sources.status().vrrp) : describeRouters(sources.status().vrrp),
    ),

    'show peers': shown('peers', (json) =>
      json ? toJson(sources.status().peers) : describePeers(sources.status().peers),
    ),

    'show sessions': shown('sessions', (json) => showSessions(sources.status(), json)),

    'show events': shown('events', (json) => showEvents(sources.events(), json, iso)),

    server: (words, by) => {
      const order = parseServerOrder(words)
      if (!order.ok) throw new RuntimeError(order.text)
      const fact = sources.order(order, by)
      if (fact === undefined) throw new RuntimeError(absence(order) ?? 'it has just gone; try again')
      return `${order.listener}/${order.server}: ${describeOrder(order.words, fact, iso)}`
    },

    'sessions end': async (words, by) => {
      const order = parseSessionOrder(['end', ...words], parseIpAddress)
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

    vrrp: async (words, by) => {
      const [instance, word, ...rest] = words
      const order = routerOrders.find((known) => known === word)
      if (instance === undefined || order === undefined || rest.length > 0) {
        throw new RuntimeError(`write: vrrp INSTANCE ${routerOrders.join('|')}`)
      }
      return answerOf(await sources.orderRouter(instance, order, by))
    },

    reload: async (words) => {
      refuseMore('reload', words)
      return answerOf(await sources.requestReload())
    },

    reexec: async (words) => {
      refuseMore('reexec', words)
      return answerOf(await sources.requestReexec())
    },
  }
}

const shown =
  (what: string, show: (json: boolean) => string): Run =>
  (words) => {
    if (words.some((word) => word !== '--json'))
      throw new RuntimeError(`show ${what} takes no name; write: show ${what} [--json]`)
    return show(words.includes('--json'))
  }

/** The listeners with these names, and the servers as LISTENER/SERVER; all of them where nobody is named. */
const among = (status: Status, names: readonly string[]): Status => {
  if (names.length === 0) return status
  const all = status.listeners.flatMap(({ name, servers }) => [name, ...servers.map((one) => `${name}/${one.name}`)])
  const unknown = names.find((name) => !all.includes(name))
  if (unknown !== undefined) {
    const listeners = status.listeners.map(({ name }) => name).join(', ')
    throw new RuntimeError(
      `there is no listener or server ${unknown}; write: show servers [LISTENER[/SERVER]] [--json]; listeners: ${listeners}`,
    )
  }
  const listeners = status.listeners.flatMap((listener) => {
    if (names.includes(listener.name)) return [listener]
    const servers = listener.servers.filter((one) => names.includes(`${listener.name}/${one.name}`))
    return servers.length === 0 ? [] : [{ ...listener, servers }]
  })
  return { ...status, listeners }
}

const refuseMore = (command: string, words: readonly string[]): void => {
  if (words.length > 0) throw new RuntimeError(`${command} takes no argument ${words.join(' ')}`)
}

const iso = (moment: number): string => new Date(moment).toISOString()

const answerOf = ({ ok, lines }: ReloadResult): string => {
  const text = lines.join('\n')
  if (!ok) throw new RuntimeError(text)
  return text
}
