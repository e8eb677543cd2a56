// The balancer's metrics in Prometheus' text format, made from the status document at each scrape; on demand also under the
// names of haproxy_exporter's and keepalived_exporter's dashboards.

import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import type { ListenerStatus, RouterStatus, ServerStatus, Status } from '../core/model/status.ts'
import { addHaproxy, addKeepalived } from '../core/views/exporter-names.ts'
import { type Add, ago, eachServer, millisPerSecond, type Sample } from '../core/views/metric.ts'

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
  add(
    'counter',
    'balancer_status_page_refused_total',
    'Requests to the status page that got no page, by reason',
    Object.entries(status.status_page.refused).map(([reason, count]): Sample => [{ reason }, count]),
  )
}

const routerStates = ['init', 'backup', 'master', 'fault'] as const

const addRouters = (routers: readonly RouterStatus[], add: Add): void => {
  const each = (value: (router: RouterStatus) => Sample[1]): readonly Sample[] =>
    routers.map((router): Sample => [{ vrrp_instance: router.name }, value(router)])
  add(
    'gauge',
    'balancer_vrrp_state',
    '1 for the state that a VRRP instance is in, 0 for the others',
    routers.flatMap(({ name, state }) =>
      routerStates.map((known): Sample => [{ vrrp_instance: name, state: known }, known === state]),
    ),
  )
  add(
    'gauge',
    'balancer_vrrp_state_seconds',
    'For how long the instance has been in its state',
    each((one) => ago(one.since)),
  )
  add(
    'gauge',
    'balancer_vrrp_priority',
    'Its priority now, tracking included',
    each((one) => one.priority),
  )
  add(
    'counter',
    'balancer_vrrp_transitions_total',
    'Changes of its state',
    each((one) => one.transitions),
  )
  add(
    'counter',
    'balancer_vrrp_advertisements_sent_total',
    'Advertisements sent',
    each((one) => one.sent),
  )
  add(
    'counter',
    'balancer_vrrp_advertisements_received_total',
    'Advertisements accepted',
    each((one) => one.received),
  )
  add(
    'counter',
    'balancer_vrrp_packets_dropped_total',
    'Packets that changed nothing, by reason',
    routers.flatMap(({ name, dropped }) =>
      Object.entries(dropped).map(([reason, count]): Sample => [{ vrrp_instance: name, reason }, count]),
    ),
  )
  add(
    'counter',
    'balancer_vrrp_other_masters_total',
    'Advertisements of another master while this one was master',
    each((one) => one.other_masters.count),
  )
}

const addListeners = (listeners: readonly ListenerStatus[], add: Add): void => {
  const each = (value: (listener: ListenerStatus) => Sample[1]): readonly Sample[] =>
    listeners.map((listener): Sample => [{ listener: listener.name, datapath: listener.datapath }, value(listener)])
  add(
    'gauge',
    'balancer_listener_open',
    '1 while clients that reach the address are forwarded, else 0',
    listeners.flatMap(({ name, binds }) =>
      binds.map(({ address, open }): Sample => [{ listener: name, address }, open]),
    ),
  )
  add(
    'gauge',
    'balancer_listener_servers',
    'Servers that are configured',
    each((one) => one.servers.length),
  )
  add(
    'gauge',
    'balancer_listener_servers_up',
    'Servers whose checks pass',
    each((one) => one.servers_up),
  )
  add(
    'gauge',
    'balancer_listener_servers_usable',
    'Servers that take new sessions',
    each((one) => one.servers.filter(({ takes_sessions: takes }) => takes).length),
  )
  add(
    'gauge',
    'balancer_listener_panicking',
    '1 while so few servers pass that all are used',
    each((one) => one.panicking),
  )
  add(
    'gauge',
    'balancer_listener_sessions',
    'Sessions now',
    each((one) => one.sessions),
  )
  add(
    'gauge',
    'balancer_listener_sessions_limit',
    'Sessions at most',
    each((one) => one.session_limit),
  )
  add(
    'gauge',
    'balancer_listener_queued',
    'Clients that wait for a server',
    each((one) => one.queued),
  )
  add(
    'counter',
    'balancer_listener_sessions_total',
    'Sessions so far',
    each((one) => one.total_sessions),
  )
  add(
    'counter',
    'balancer_listener_ends_total',
    'How sessions and attempts ended, by reason; closed is the good one',
    listeners.flatMap(({ name, datapath, ends }) =>
      Object.entries(ends).map(([reason, count]): Sample => [{ listener: name, datapath, reason }, count]),
    ),
  )
  add(
    'counter',
    'balancer_listener_denied_total',
    'Clients that were not let in, by access lists or rates',
    each((one) => one.denied),
  )
  add(
    'gauge',
    'balancer_listener_exceptions',
    'Sessions older than the last change of servers, which another balancer finds only if it was told (datapath: direct)',
    each((one) => one.exceptions),
  )
  add(
    'gauge',
    'balancer_listener_findings',
    'What self-tests of the datapath found wrong; the status page says it in words',
    each((one) => one.findings.length),
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
  const each = (value: (server: ServerStatus, listener: ListenerStatus) => Sample[1]): readonly Sample[] =>
    eachServer(listeners, (listener, server) => ({ listener, server }), value)
  add(
    'gauge',
    'balancer_server_up',
    '1 while its checks pass, else 0',
    each((one) => one.up),
  )
  add(
    'gauge',
    'balancer_server_usable',
    '1 while it takes new sessions, else 0',
    each((one) => one.takes_sessions),
  )
  add(
    'gauge',
    'balancer_server_writer',
    '1 for the one server that takes sessions of a listener with balance: single',
    each((one, listener) => (listener.balance === 'single' ? listener.writer === one.name : null)),
  )
  add(
    'gauge',
    'balancer_server_state_seconds',
    'For how long it has been up or down',
    each((one) => ago(one.since)),
  )
  add(
    'gauge',
    'balancer_server_weight',
    'Its weight now',
    each((one) => one.weight),
  )
  add(
    'gauge',
    'balancer_server_sessions',
    'Sessions now',
    each((one) => one.sessions),
  )
  add(
    'counter',
    'balancer_server_sessions_total',
    'Sessions so far',
    each((one) => one.total_sessions),
  )
  add(
    'counter',
    'balancer_server_bytes_in_total',
    'Bytes that clients sent',
    each((one) => one.bytes_in),
  )
  add(
    'counter',
    'balancer_server_bytes_out_total',
    'Bytes that the server sent',
    each((one) => one.bytes_out),
  )
  add(
    'counter',
    'balancer_server_connect_failures_total',
    'Connects that failed',
    each((one) => one.connect_failures),
  )
  add(
    'counter',
    'balancer_server_retries_total',
    'Connects that failed and were tried here again',
    each((one) => one.retries),
  )
  add(
    'counter',
    'balancer_server_redispatches_total',
    'Connects that failed and were tried on another server',
    each((one) => one.redispatches),
  )
  add(
    'gauge',
    'balancer_server_connections',
    'Connections of the whole server, by the word of its agent (datapath: direct)',
    each((one) => one.connections),
  )
  add(
    'counter',
    'balancer_server_checks_total',
    'Checks made',
    each((one) => one.checks),
  )
  add(
    'counter',
    'balancer_server_checks_failed_total',
    'Checks that failed',
    each((one) => one.failed_checks),
  )
  add(
    'counter',
    'balancer_server_downs_total',
    'How often it went down',
    each((one) => one.times_down),
  )
  add(
    'counter',
    'balancer_server_down_seconds_total',
    'How long it was down in all',
    each((one) => one.down_ms / millisPerSecond),
  )
  add(
    'gauge',
    'balancer_server_check_duration_seconds',
    'How long its last check took',
    each((one) => (one.last_check === null ? null : one.last_check.duration_ms / millisPerSecond)),
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
