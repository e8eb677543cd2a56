// The director process: health checks, the pool of all facts, and the status page and runtime socket that show it.

import { isDeepStrictEqual } from 'node:util'
import { refusal } from '../admin/core/commands/command.ts'
import { historyOf } from '../admin/core/model/history.ts'
import { statusOf } from '../admin/core/model/status.ts'
import type { Answer } from '../admin/core/views/page/forms.ts'
import type { Scene } from '../admin/core/views/page/parts.ts'
import { type StatusPage, startStatusPage } from '../admin/http/status-page.ts'
import type { RunCommand } from '../admin/socket/conversation.ts'
import { type PreparedSockets, startRuntimeSockets } from '../admin/socket/runtime-sockets.ts'
import { limitLines } from '../bounded-log.ts'
import type { BalancerConfig } from '../config/schema.ts'
import { millis } from '../core/time.ts'
import { startChecker } from '../health/checker.ts'
import { createAccounts } from '../pool/core/accounts.ts'
import { describeAgent } from '../pool/core/agent-change.ts'
import { type Events, withEvent } from '../pool/core/events.ts'
import type { Fact, ServerHealthFact } from '../pool/core/facts.ts'
import { type Formers, formersOf } from '../pool/core/formers.ts'
import { lastingText } from '../pool/core/lasting-state.ts'
import { createPool, serverKey } from '../pool/core/pool.ts'
import { describeRouter, describeRouterOrdered } from '../pool/core/router-change.ts'
import { type ChangeLine, describeChange, describeOrdered, describeWriter } from '../pool/core/server-change.ts'
import { describeOrderedEnd, endedCount } from '../pool/core/session-order.ts'
import { chooseWriter } from '../pool/core/writer.ts'
import { version } from '../version.ts'
import { runChild } from './child.ts'
import { startHeartbeat } from './heartbeat.ts'
import { recall, stateFileOf } from './lasting.ts'
import { watchOwnAnswers } from './own-answers.ts'
import { processFacts } from './process-facts.ts'
import { runtimeCommands } from './runtime-commands.ts'
import type { RuntimeSources } from './runtime-sources.ts'
import { keepStateFile, type StateFile } from './state-file.ts'

/** Changes of one server, or of one writer, that are told one by one. */
const mostChanges = { lines: 20, window: millis(10_000) }

runChild('director', async (assignment) => {
  const {
    config: first,
    facts,
    log,
    logRequest,
    onSyslogTrouble,
    publish,
    requestReload,
    requestReexec,
    orderRouter,
    endSessions,
    listSessions,
    inherit,
  } = assignment
  const startedAt = Date.now()
  const pool = createPool(facts)
  const accounts = createAccounts()
  let config = first
  const lasting = recall(config, log)
  accounts.restore(lasting.accounts)
  let events: Events = lasting.events
  /** For servers of the start alone: one that a reload brings back begins anew. */
  let ordered = lasting.orders
  let isReconfiguring = false

  let stateFile: StateFile | undefined
  let page: StatusPage | undefined
  const note = (line: ChangeLine): void => {
    const event = { ...line, at: Date.now() }
    events = withEvent(events, event)
    page?.note(event)
    stateFile?.changed()
  }
  const say = (line: ChangeLine): void => {
    log[line.level](line.fields, line.text)
    note(line)
  }
  /** A server that flaps, or whose agent says so, fills neither a disk nor the events. */
  const changes = limitLines<ChangeLine>(mostChanges, ({ line: { level, text, fields }, count }) =>
    say({ level, text: `${text} (the last of ${count} more)`, fields: { ...fields, suppressed: count } }),
  )
  const sayOf = (subject: string, line: ChangeLine): void => {
    if (changes.admits(subject, line)) say(line)
  }
  const lookAtAnswers = watchOwnAnswers(() => config.listeners, sayOf)
  const decideWriter = (name: string): void => {
    const listener = config.listeners.find((candidate) => candidate.name === name)
    if (listener?.balance !== 'single') return
    const earlier = pool.writers.get(name)
    const healthOf = (server: string) => pool.servers.get(serverKey(name, server))
    const server = chooseWriter({ config: listener, healthOf, current: earlier?.server ?? null })
    if (earlier?.server === server || (earlier === undefined && server === null)) return
    const fact: Fact = { fact: 'writer', listener: name, server, since: Date.now() }
    pool.hear(fact)
    publish(fact)
    sayOf(`writer ${name}`, describeWriter(earlier, fact))
  }
  /** A writer whose server or listener has another name is still the writer. */
  const carryWriters = (formers: Formers): void => {
    for (const listener of config.listeners) {
      const former = formers.listener(listener)
      const writer = former === undefined ? undefined : pool.writers.get(former.name)
      const server = listener.servers.find((one) => formers.server(listener, one)?.name === writer?.server)
      if (writer === undefined || server === undefined) continue
      if (writer.listener === listener.name && writer.server === server.name) continue
      const fact: Fact = { ...writer, listener: listener.name, server: server.name }
      pool.hear(fact)
      publish(fact)
    }
  }
  const hearHealth = (fact: ServerHealthFact, changed: boolean): void => {
    const earlier = pool.servers.get(serverKey(fact.listener, fact.server))
    pool.hear(fact)
    accounts.hear(fact, Date.now())
    lookAtAnswers(fact)
    if (!changed) return
    for (const line of [describeAgent(earlier, fact), describeChange(pool, earlier, fact)]) {
      if (line !== undefined) sayOf(serverKey(fact.listener, fact.server), line)
    }
    publish(fact)
    // In a reload all servers come first: a writer must not move between two of them.
    if (!isReconfiguring) decideWriter(fact.listener)
  }
  const forgetTheRest = (): void => {
    const wanted = new Set(config.listeners.flatMap(subjectsOf))
    if (config.listeners.some(({ datapath }) => datapath === 'direct')) wanted.add('peers')
    pool.keep((subject) => /^(virtual-router|draining) /.test(subject) || wanted.has(subject))
    accounts.keep(new Set(config.listeners.flatMap(accountNames)))
  }
  forgetTheRest()

  const checker = startChecker({
    listeners: config.listeners,
    inherited: (listener, server) => pool.servers.get(serverKey(listener, server)),
    ordered: (listener, server) =>
      ordered.find((order) => order.listener === listener && order.server === server)?.orders,
    log,
    publish: hearHealth,
  })
  ordered = []
  const hearTrouble =
    (of: string) =>
    (why: string | null): void =>
      pool.hear({ fact: 'host', of, findings: why === null ? [] : [{ instance: null, text: why }] })
  onSyslogTrouble(hearTrouble('syslog'))
  const remember = (): StateFile | undefined => {
    const path = stateFileOf(config)
    const text = () => lastingText(config, pool, accounts, events, Date.now())
    const onTrouble = hearTrouble('state file')
    onTrouble(null)
    return path === null ? undefined : keepStateFile({ path, text, log, onTrouble })
  }
  stateFile = remember()
  const hear = (fact: Fact): void => {
    if (fact.fact === 'listener') checker.hearTraffic(fact)
    if (fact.fact === 'virtual-router') {
      const change = describeRouter(pool.routers.get(fact.name), fact)
      // The vrrp process has logged it.
      if (change !== undefined) note(change)
    }
    pool.hear(fact)
    accounts.hear(fact, Date.now())
  }
  const status = (refusals: Readonly<Record<string, number>>) =>
    statusOf({ config, pool, accounts, version, now: Date.now(), iso, startedAt, refusals })

  const scene = (refusals: Readonly<Record<string, number>>): Scene => {
    const now = Date.now()
    return {
      status: status(refusals),
      timeline: { events, now, iso },
      history: ({ name, servers }) =>
        historyOf(
          name,
          servers.map((server) => server.name),
          accounts,
          now,
        ),
    }
  }
  const sources: RuntimeSources = {
    requestReload,
    requestReexec,
    orderRouter: async (instance, order, by) => {
      const result = await orderRouter(instance, order)
      if (result.ok) say(describeRouterOrdered(instance, order, by))
      return result
    },
    status: () => status({}),
    events: () => events,
    endSessions: async (end, by) => {
      const result = await endSessions(end)
      if (endedCount(result) > 0) say(describeOrderedEnd(end, result, by))
      return result
    },
    sessions: async () => {
      const list = await listSessions()
      // Earlier programs keep theirs until they are over.
      const draining = status({}).draining.reduce((sum, { sessions }) => sum + sessions, 0)
      return { ...list, left: list.left + draining }
    },
    clearCounters: (all, by) => {
      accounts.clear(all)
      stateFile?.changed()
      say({ level: 'info', text: `${all ? 'All' : 'Maximum'} counters were cleared by ${by}`, fields: { by } })
    },
    process: processFacts(startedAt),
    order: (order, by) => {
      const { listener, server, orders, words } = order
      if (pool.servers.has(serverKey(listener, server))) say(describeOrdered(listener, server, words, by))
      const fact = checker.order(listener, server, orders)
      stateFile?.changed()
      return fact
    },
  }
  const run = runtimeCommands(sources, log)
  page = await startStatusPage({ http: config.admin.http, scene, run: orderedBy(run), log, logRequest, inherit })
  const sockets = await startRuntimeSockets(config.admin.socket, run, log, { takesOver: assignment.succeeds })

  const reconfigure = async (next: BalancerConfig): Promise<readonly string[]> => {
    const before = config
    const opened = await page.prepare(next.admin.http)
    let prepared: PreparedSockets | undefined
    try {
      prepared = await sockets.prepare(next.admin.socket)
      isReconfiguring = true
      checker.reconfigure(next.listeners)
    } catch (error) {
      opened.cancel()
      prepared?.cancel()
      throw error
    } finally {
      isReconfiguring = false
    }
    opened.apply()
    prepared.apply()
    config = next
    if (stateFileOf(before) !== stateFileOf(next)) {
      void stateFile?.stop()
      stateFile = remember()
    }
    carryWriters(formersOf(before.listeners, next.listeners))
    forgetTheRest()
    for (const { name } of config.listeners) decideWriter(name)
    note({ level: 'info', text: 'Another configuration was applied', fields: {} })
    return describeAdminChanges(before.admin, next.admin)
  }
  const stopHeartbeat = startHeartbeat('director', publish)
  assignment.onFact(hear)
  return {
    reconfigure,
    handles: () => {
      sockets.yield()
      return page.handles()
    },
    // A program that was to take over may have left its socket in the place of this one's.
    goOn: () => sockets.look(),
    retire: async () => {
      page.retire()
      await Promise.all([sockets.retire(), stateFile?.stop()])
    },
    stop: async () => {
      stopHeartbeat()
      checker.stop()
      changes.end()
      page.stop()
      sockets.stop()
      await stateFile?.stop()
    },
  }
})

const subjectsOf = ({ name: listener, servers, balance }: BalancerConfig['listeners'][number]): readonly string[] => [
  `listener ${listener}`,
  ...(balance === 'single' ? [`writer ${listener}`] : []),
  ...servers.map(({ name }) => `server-health ${serverKey(listener, name)}`),
]

const accountNames = ({ name, servers }: BalancerConfig['listeners'][number]): readonly string[] => [
  name,
  ...servers.map((server) => serverKey(name, server.name)),
]

/** Carries out what a user of the status page orders. */
const orderedBy =
  (run: RunCommand) =>
  async (user: string, words: readonly string[]): Promise<Answer> => {
    const text = await run(words, `user ${user} of the status page`)
    return text.startsWith(refusal) ? { ok: false, text: text.slice(refusal.length) } : { ok: true, text }
  }

const iso = (moment: number): string => new Date(moment).toISOString()

type Admin = BalancerConfig['admin']

const describeAdminChanges = (before: Admin, after: Admin): readonly string[] => {
  const [old, now] = [before.http, after.http]
  const keys = (['bind', 'path', 'refresh', 'users', 'public'] as const).filter(
    (key) => !isDeepStrictEqual(old?.[key], now?.[key]),
  )
  const page = old === undefined ? 'opened' : now === undefined ? 'closed' : `changed ${keys.join(', ')}`
  return [...describeSocketChanges(before.socket, after.socket), ...(keys.length === 0 ? [] : [`status page: ${page}`])]
}

const describeSocketChanges = (before: Admin['socket'], after: Admin['socket']): readonly string[] => {
  const textOf = ({ path, level, mode, group }: Admin['socket'][number]): string =>
    `${path}, level ${level}, mode 0${mode.toString(8)}${group === undefined ? '' : `, group ${group}`}`
  const [old, now] = [before.map(textOf), after.map(textOf)]
  const paths = new Set(after.map(({ path }) => path))
  return [
    ...now.flatMap((text) => (old.includes(text) ? [] : [`runtime socket: now at ${text}`])),
    ...before.flatMap(({ path }) => (paths.has(path) ? [] : [`runtime socket: no more at ${path}`])),
  ]
}
