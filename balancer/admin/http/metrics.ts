// The balancer's metrics in Prometheus' text format, made from the status document at each scrape; on demand also under the
// names of haproxy_exporter's and keepalived_exporter's dashboards.

import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import type { ListenerStatus, RouterStatus, Status } from '../core/model/status.ts'
import { addHaproxy, addKeepalived } from '../core/views/exporter-names.ts'
import { type Add, addForEach, ago, millisPerSecond, type Sample, serversOf } from '../core/views/metric.ts'

/** Whose names are asked for beside our own. */
export const otherNames = ['haproxy', 'keepalived'] as const
export type OtherNames = (typeof otherNames)[number]

/** Renders them: the text and its content type. */
export type Metrics = (status: Status, names: ReadonlySet<OtherNames>) => Promise<{ text: string; type: string }>

const loopPrecisionMillis = 100

/** Metrics of this process (memory, CPU, loop) begin to be collected. */
export const createMetrics = (): Metrics => {
  const ownProcess = new Registry()
  collectDefaultMetrics({
    register: ownProcess,
    prefix: 'balancer_director_',
    eventLoopMonitoringPrecision: loopPrecisionMillis,
  })
  // Gauges that are named like counters: promtool objects to them. The same numbers are there by type.
  for (const what of ['handles', 'requests', 'resources']) {
    ownProcess.removeSingleMetric(`balancer_director_nodejs_active_${what}_total`)
  }
  return async (status, names) => {
    const registry = new Registry()
    const add = adderTo(registry)
    addOwn(status, add)
    if (names.has('haproxy')) addHaproxy(status, add)
    if (names.has('keepalived')) addKeepalived(status, add)
    return { text: await Registry.merge([registry, ownProcess]).metrics(), type: registry.contentType }
  }
}

const adderTo =
  (registry: Registry): Add =>
  (kind, name, help, samples) => {
    const known = samples.flatMap(([labels, value]) => (value == null ? [] : [[labels, Number(value)] as const]))
    const [first] = known
    if (first === undefined) return
    const labelNames = Object.keys(first[0])
    const options = { name, help, labelNames, registers: [registry] }
    if (kind === 'gauge') {
      const gauge = new Gauge(options)
      for (const [labels, value] of known) gauge.set(labels, value)
    } else {
      const counter = new Counter(options)
      for (const [labels, value] of known) counter.inc(labels, value)
    }
  }

const addOwn = (status: Status, add: Add): void => {
  add('gauge', 'balancer_info', 'The program; always 1', [
    [{ version: status.version, router_id: status.router_id }, 1],
  ])
  add('gauge', 'balancer_director_uptime_seconds', 'Since the director process started', [
    [{}, ago(status.director_started)],
  ])
  addRouters(status.vrrp, add)
  addListeners(status.listeners, add)
  addServers(status.listeners, add)
  addPeers(status.peers, add)
  add('gauge', 'balancer_findings', 'What is wrong with this host or this program; the status page says it in words', [
    [{}, status.findings.length],
  ])
  add(
    'counter',
    'balancer_status_page_refused_total',
    'Requests to the status page that got no page, by reason',
    Object.entries(status.status_page.refused).map(([reason, count]): Sample => [{ reason }, count]),
  )
}

const routerStates = ['init', 'backup', 'master', 'fault'] as const

const addRouters = (routers: readonly RouterStatus[], add: Add): void => {
  const { gauge, counter } = addForEach(
    add,
    routers.map((router) => [{ vrrp_instance: router.name }, router]),
  )
  add(
    'gauge',
    'balancer_vrrp_state',
    '1 for the state that a VRRP instance is in, 0 for the others',
    routers.flatMap(({ name, state }) =>
      routerStates.map((known): Sample => [{ vrrp_instance: name, state: known }, known === state]),
    ),
  )
  gauge('balancer_vrrp_state_seconds', 'For how long the instance has been in its state', (one) => ago(one.since))
  gauge('balancer_vrrp_priority', 'Its priority now, tracking included', (one) => one.priority)
  counter('balancer_vrrp_transitions_total', 'Changes of its state', (one) => one.transitions)
  counter('balancer_vrrp_advertisements_sent_total', 'Advertisements sent', (one) => one.sent)
  counter('balancer_vrrp_advertisements_received_total', 'Advertisements accepted', (one) => one.received)
  add(
    'counter',
    'balancer_vrrp_packets_dropped_total',
    'Packets that changed nothing, by reason',
    routers.flatMap(({ name, dropped }) =>
      Object.entries(dropped).map(([reason, count]): Sample => [{ vrrp_instance: name, reason }, count]),
    ),
  )
  gauge(
    'balancer_vrrp_findings',
    'What on this host has two hosts hold its addresses, such as rules that drop its advertisements; the status page says it in words',
    (one) => one.findings.length,
  )
  counter(
    'balancer_vrrp_other_masters_total',
    'Advertisements of another master while this one was master',
    (one) => one.other_masters.count,
  )
}

const addListeners = (listeners: readonly ListenerStatus[], add: Add): void => {
  const { gauge, counter } = addForEach(
    add,
    listeners.map((listener) => [{ listener: listener.name, datapath: listener.datapath }, listener]),
  )
  add(
    'gauge',
    'balancer_listener_open',
    '1 while clients that reach the address are forwarded, else 0',
    listeners.flatMap(({ name, binds }) =>
      binds.map(({ address, open }): Sample => [{ listener: name, address }, open]),
    ),
  )
  gauge('balancer_listener_servers', 'Servers that are configured', (one) => one.servers.length)
  gauge('balancer_listener_servers_up', 'Servers whose checks pass', (one) => one.servers_up)
  gauge(
    'balancer_listener_servers_usable',
    'Servers that take new sessions',
    (one) => one.servers.filter(({ takes_sessions: takes }) => takes).length,
  )
  gauge('balancer_listener_panicking', '1 while so few servers pass that all are used', (one) => one.panicking)
  gauge('balancer_listener_sessions', 'Sessions now', (one) => one.sessions)
  gauge('balancer_listener_sessions_limit', 'Sessions at most', (one) => one.session_limit)
  gauge('balancer_listener_queued', 'Clients that wait for a server', (one) => one.queued)
  counter('balancer_listener_sessions_total', 'Sessions so far', (one) => one.total_sessions)
  add(
    'counter',
    'balancer_listener_ends_total',
    'How sessions and attempts ended, by reason; closed is the good one',
    listeners.flatMap(({ name, datapath, ends }) =>
      Object.entries(ends).map(([reason, count]): Sample => [{ listener: name, datapath, reason }, count]),
    ),
  )
  counter(
    'balancer_listener_denied_total',
    'Clients that were not let in, by access lists or rates',
    (one) => one.denied,
  )
  gauge(
    'balancer_listener_exceptions',
    'Sessions older than the last change of servers, which another balancer finds only if it was told (datapath: direct)',
    (one) => one.exceptions,
  )
  gauge(
    'balancer_listener_findings',
    'What self-tests of the datapath found wrong; the status page says it in words',
    (one) => one.findings.length,
  )
}

const addPeers = (peers: Status['peers'], add: Add): void => {
  add(
    'gauge',
    'balancer_peer_connected',
    '1 while the connection to the other balancer stands, else 0',
    (peers?.peers ?? []).map(({ address, connected }): Sample => [{ peer: address }, connected]),
  )
  add(
    'gauge',
    'balancer_peer_exceptions',
    'Sessions that a fail-over ends unless the other balancers were told of them',
    [[{}, peers?.exceptions]],
  )
}

const addServers = (listeners: readonly ListenerStatus[], add: Add): void => {
  const { gauge, counter } = addForEach(
    add,
    serversOf(listeners, (listener, server) => ({ listener, server })),
  )
  gauge('balancer_server_up', '1 while its checks pass, else 0', (one) => one.up)
  gauge('balancer_server_usable', '1 while it takes new sessions, else 0', (one) => one.takes_sessions)
  add(
    'gauge',
    'balancer_server_writer',
    '1 for the one server that takes sessions of a listener with balance: single',
    listeners
      .filter(({ balance }) => balance === 'single')
      .flatMap(({ name, writer, servers }) =>
        servers.map((server): Sample => [{ listener: name, server: server.name }, writer === server.name]),
      ),
  )
  gauge('balancer_server_state_seconds', 'For how long it has been up or down', (one) => ago(one.since))
  gauge('balancer_server_weight', 'Its weight now', (one) => one.weight)
  gauge('balancer_server_sessions', 'Sessions now', (one) => one.sessions)
  counter('balancer_server_sessions_total', 'Sessions so far', (one) => one.total_sessions)
  counter('balancer_server_bytes_in_total', 'Bytes that clients sent', (one) => one.bytes_in)
  counter('balancer_server_bytes_out_total', 'Bytes that the server sent', (one) => one.bytes_out)
  counter('balancer_server_connect_failures_total', 'Connects that failed', (one) => one.connect_failures)
  counter('balancer_server_retries_total', 'Connects that failed and were tried here again', (one) => one.retries)
  counter(
    'balancer_server_redispatches_total',
    'Connects that failed and were tried on another server',
    (one) => one.redispatches,
  )
  gauge(
    'balancer_server_connections',
    'Connections of the whole server, by the word of its agent (datapath: direct)',
    (one) => one.connections,
  )
  counter('balancer_server_checks_total', 'Checks made', (one) => one.checks)
  counter('balancer_server_checks_failed_total', 'Checks that failed', (one) => one.failed_checks)
  counter('balancer_server_downs_total', 'How often it went down', (one) => one.times_down)
  counter('balancer_server_down_seconds_total', 'How long it was down in all', (one) => one.down_ms / millisPerSecond)
  gauge('balancer_server_check_duration_seconds', 'How long its last check took', (one) =>
    one.last_check === null ? null : one.last_check.duration_ms / millisPerSecond,
  )
  add(
    'gauge',
    'balancer_server_reason',
    'The reason that its last check gave, as a label; always 1',
    listeners.flatMap((listener) =>
      listener.servers.flatMap(({ name, last_check: check }): readonly Sample[] =>
        check === null ? [] : [[{ listener: listener.name, server: name, reason: check.reason }, 1]],
      ),
    ),
  )
}
