// HAProxy's commands of the runtime socket, with its answers, wired to those who know them. Their orders are the same as ours.

import { haproxyRefusals as refusals } from '../admin/core/commands/command.ts'
import type { WordsOf } from '../admin/core/commands/table.ts'
import { readWeight } from '../admin/core/commands/weight.ts'
import type { ServerStatus } from '../admin/core/model/status.ts'
import { infoText } from '../admin/core/views/haproxy-info.ts'
import { sessDetails, sessLines } from '../admin/core/views/haproxy-sess.ts'
import { statText } from '../admin/core/views/haproxy-stat.ts'
import { serversConn, serversState } from '../admin/core/views/haproxy-state.ts'
import { sessionTime } from '../core/calendar.ts'
import { calendarOf } from '../os/clock.ts'
import { type AdminState, adminStates } from '../pool/core/facts.ts'
import { parseServerOrder } from '../pool/core/server-order.ts'
import { clientOfId } from '../pool/core/session-list.ts'
import { endedCount } from '../pool/core/session-order.ts'
import { type Run, RuntimeError, type RuntimeSources } from './runtime-sources.ts'

/** One function for each of HAProxy's commands; like there, words behind its arguments are not looked at. */
export const haproxyCommands = (sources: RuntimeSources): Readonly<Record<WordsOf<'haproxy'>, Run>> => {
  type Place = { readonly listener: string; readonly server: ServerStatus }
  /** Does something with the server that a command names. */
  const ofServer =
    (act: (place: Place, rest: readonly string[], by: string) => string | Promise<string>): Run =>
    ([name = '', ...rest], by) => {
      const slash = name.indexOf('/')
      if (slash < 0) return refusals.noPlace
      const listener = sources.status().listeners.find((one) => one.name === name.slice(0, slash))
      if (listener === undefined) return refusals.noBackend
      const server = listener.servers.find((one) => one.name === name.slice(slash + 1))
      return server === undefined ? refusals.noServer : act({ listener: listener.name, server }, rest, by)
    }
  const order = ({ listener, server }: Place, words: readonly string[], by: string): string => {
    const read = parseServerOrder([`${listener}/${server.name}`, ...words])
    if (!read.ok) throw new RuntimeError(read.text)
    return sources.order(read, by) === undefined ? refusals.noServer : ''
  }
  const setState =
    (state: AdminState) =>
    (place: Place, _: readonly string[], by: string): string =>
      order(place, [state], by)
  const setWeight = (place: Place, [text]: readonly string[], by: string): string => {
    const weight = readWeight(text, place.server.configured_weight)
    if (!weight.ok) return weight.text
    const isInitial = weight.value === place.server.configured_weight
    return order(place, ['weight', isInitial ? 'initial' : `${weight.value}`], by)
  }

  return {
    'show info': (words) => infoText(sources.status(), sources.process(), words),

    'show stat': (words) => statText(sources.status(), words),

    'show servers state': ([name]) => serversState(sources.status(), name) ?? refusals.cannotFind,

    'show servers conn': ([name]) => serversConn(sources.status(), name) ?? refusals.cannotFind,

    'show backend': () => ['# name', ...sources.status().listeners.map(({ name }) => name)].join('\n'),

    'show sess': async ([what]) => {
      const list = await sources.sessions()
      const now = Date.now()
      const details = (sessions: typeof list) => sessDetails(sessions, sources.status(), now, microTime)
      if (what === 'all') return details(list)
      const client = what === undefined ? undefined : clientOfId(what)
      if (what?.startsWith('0x') !== true) return sessLines(list, now)
      const meant = list.sessions.filter(
        (session) => session.client.address === client?.address && session.client.port === client.port,
      )
      // It may be one of those that could not be asked for.
      if (meant.length === 0 && list.troubles.length > 0) throw new RuntimeError(list.troubles.join('; '))
      return meant.length === 0 ? refusals.sessionNotFound : details({ sessions: meant, left: 0, troubles: [] })
    },

    'show errors': () => `Total events captured on [${sessionTime(calendarOf(Date.now()))}] : 0`,

    'show version': () => sources.status().version,

    'get weight': ofServer(({ server }) => `${server.weight} (initial ${server.configured_weight})`),

    'set server': ofServer((place, [what, value, ...rest], by) => {
      if (what === 'weight') return setWeight(place, value === undefined ? [] : [value, ...rest], by)
      if (what !== 'state') return refusals.setServerUsage
      const state = adminStates.find((known) => known === value)
      return state === undefined ? refusals.badState : order(place, [state], by)
    }),

    'set weight': ofServer(setWeight),
    'enable server': ofServer(setState('ready')),
    'disable server': ofServer(setState('maint')),

    'shutdown session': async ([id], by) => {
      if (id === undefined) return refusals.noSessionId
      const client = clientOfId(id)
      if (client === undefined) return refusals.noSession
      const result = await sources.endSessions({ by: 'client', ...client }, by)
      // It is in one process: those that could not be asked matter where none had it.
      if (endedCount(result) > 0) return ''
      if (result.troubles.length > 0) throw new RuntimeError(result.troubles.join('; '))
      return refusals.noSession
    },

    'shutdown sessions server': ofServer(async ({ listener, server }, _, by) => {
      const result = await sources.endSessions({ by: 'server', listener, server: server.name }, by)
      if (result.troubles.length > 0) throw new RuntimeError(result.troubles.join('; '))
      return ''
    }),

    'clear counters': (_, by) => {
      sources.clearCounters(false, by)
      return ''
    },

    'clear counters all': (_, by) => {
      sources.clearCounters(true, by)
      return ''
    },
  }
}

/** `29/Nov/2026:15:45:54.632000`: HAProxy tells a session's beginning in microseconds. */
const microTime = (at: number): string => `${sessionTime(calendarOf(at))}000`
