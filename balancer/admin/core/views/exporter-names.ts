// The metrics under the names of the exporters that people have dashboards for: HAProxy's own, and keepalived_exporter.

import type { ListenerStatus, RouterStatus, ServerStatus, Status } from '../model/status.ts'
import { type Add, addForEach, ago, millisPerSecond, type Sample, serversOf } from './metric.ts'

const haproxyServerStates = ['DOWN', 'UP', 'MAINT', 'DRAIN', 'NOLB'] as const

/** The names of HAProxy's own exporter (`option http-use-htx`, service prometheus-exporter). */
export const addHaproxy = ({ listeners, version, director_started: started }: Status, add: Add): void => {
  const proxies = addForEach(
    add,
    listeners.map((listener) => [{ proxy: listener.name }, listener]),
  )
  const servers = addForEach(
    add,
    serversOf(listeners, (proxy, server) => ({ proxy, server })),
  )
  const sumOf = (value: (server: ServerStatus) => number | null) => (listener: ListenerStatus) =>
    listener.servers.reduce<number | null>((all, server) => {
      const one = value(server)
      return all === null || one === null ? null : all + one
    }, 0)
  add('gauge', 'haproxy_process_build_info', 'Build info', [[{ version }, 1]])
  add('gauge', 'haproxy_process_uptime_seconds', 'How long ago this process was started', [[{}, ago(started)]])
  for (const side of ['frontend', 'backend'] as const) {
    proxies.gauge(`haproxy_${side}_current_sessions`, 'Number of current sessions', (one) => one.sessions)
    proxies.gauge(`haproxy_${side}_max_sessions`, 'Highest value of current sessions', (one) => one.maximum_sessions)
    proxies.gauge(`haproxy_${side}_limit_sessions`, 'Configured limit of sessions', (one) => one.session_limit)
    proxies.counter(`haproxy_${side}_sessions_total`, 'Total number of sessions', (one) => one.total_sessions)
    proxies.counter(
      `haproxy_${side}_bytes_in_total`,
      'Total number of request bytes',
      sumOf((one) => one.bytes_in),
    )
    proxies.counter(
      `haproxy_${side}_bytes_out_total`,
      'Total number of response bytes',
      sumOf((one) => one.bytes_out),
    )
  }
  add(
    'gauge',
    'haproxy_frontend_status',
    'Current status of the frontend',
    listeners.flatMap(({ name, binds }) => {
      const isOpen = binds.some(({ open }) => open)
      return ['DOWN', 'UP'].map((state): Sample => [{ proxy: name, state }, (state === 'UP') === isOpen])
    }),
  )
  add(
    'gauge',
    'haproxy_backend_status',
    'Current status of the backend',
    listeners.flatMap(({ name, servers: all }) => {
      const isUp = all.some(({ takes_sessions: takes }) => takes)
      return ['DOWN', 'UP'].map((state): Sample => [{ proxy: name, state }, (state === 'UP') === isUp])
    }),
  )
  proxies.gauge('haproxy_backend_current_queue', 'Number of current queued connections', (one) => one.queued)
  proxies.gauge(
    'haproxy_backend_active_servers',
    'Number of active UP servers',
    (one) => one.servers.filter(({ takes_sessions: takes, backup }) => takes && !backup).length,
  )
  proxies.gauge(
    'haproxy_backend_backup_servers',
    'Number of backup UP servers',
    (one) => one.servers.filter(({ takes_sessions: takes, backup }) => takes && backup).length,
  )
  servers.gauge('haproxy_server_current_sessions', 'Number of current sessions', (one) => one.sessions)
  servers.gauge('haproxy_server_max_sessions', 'Highest value of current sessions', (one) => one.maximum_sessions)
  servers.counter('haproxy_server_sessions_total', 'Total number of sessions', (one) => one.total_sessions)
  servers.counter('haproxy_server_bytes_in_total', 'Total number of request bytes', (one) => one.bytes_in)
  servers.counter('haproxy_server_bytes_out_total', 'Total number of response bytes', (one) => one.bytes_out)
  servers.counter(
    'haproxy_server_connection_errors_total',
    'Total number of failed connections to server',
    (one) => one.connect_failures,
  )
  servers.counter(
    'haproxy_server_retry_warnings_total',
    'Total number of server connection retries',
    (one) => one.retries,
  )
  servers.counter(
    'haproxy_server_redispatch_warnings_total',
    'Total number of server redispatches due to connection failures',
    (one) => one.redispatches,
  )
  servers.gauge('haproxy_server_weight', 'Server effective weight', (one) => one.weight)
  servers.counter(
    'haproxy_server_check_failures_total',
    'Total number of failed health checks',
    (one) => one.failed_checks,
  )
  servers.counter(
    'haproxy_server_check_up_down_total',
    'Total number of failed checks causing UP to DOWN',
    (one) => one.times_down,
  )
  servers.counter('haproxy_server_downtime_seconds_total', 'Total time spent in DOWN state', (one) =>
    Math.floor(one.down_ms / millisPerSecond),
  )
  servers.gauge('haproxy_server_check_duration_seconds', 'Total duration of the latest server health check', (one) =>
    one.last_check === null ? null : one.last_check.duration_ms / millisPerSecond,
  )
  add(
    'gauge',
    'haproxy_server_status',
    'Current status of the server',
    listeners.flatMap((listener) =>
      listener.servers.flatMap(({ name, status }) => {
        const [word = ''] = status.split(' ')
        return haproxyServerStates.map(
          (state): Sample => [{ proxy: listener.name, server: name, state }, state === word],
        )
      }),
    ),
  )
}

/** keepalived_exporter's numbers of states. */
const keepalivedStates: Readonly<Record<RouterStatus['state'], number>> = { init: 0, backup: 1, master: 2, fault: 3 }

/** The names of keepalived_exporter. */
export const addKeepalived = ({ vrrp }: Status, add: Add): void => {
  const { counter } = addForEach(
    add,
    vrrp.map((router) => [routerLabels(router), router]),
  )
  add('gauge', 'keepalived_up', 'Status of keepalived', [[{}, 1]])
  add(
    'gauge',
    'keepalived_vrrp_state',
    'State of vrrp: 0 init, 1 backup, 2 master, 3 fault',
    vrrp.flatMap((router) =>
      router.virtual_addresses.map(
        (address): Sample => [{ ...routerLabels(router), ip_address: address }, keepalivedStates[router.state]],
      ),
    ),
  )
  counter('keepalived_advertisements_received_total', 'Advertisements received', (one) => one.received)
  counter('keepalived_advertisements_sent_total', 'Advertisements sent', (one) => one.sent)
  counter('keepalived_become_master_total', 'State transitions', (one) => one.transitions)
}

const routerLabels = (router: RouterStatus) => ({
  iname: router.name,
  intf: router.interface ?? '',
  vrid: `${router.virtual_router_id ?? ''}`,
})
