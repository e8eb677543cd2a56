// The metrics under the names of the exporters that people have dashboards for: HAProxy's own, and keepalived_exporter.

import type { ListenerStatus, RouterStatus, ServerStatus, Status } from '../model/status.ts'
import { type Add, ago, eachServer, millisPerSecond, type Sample } from './metric.ts'

const haproxyServerStates = ['DOWN', 'UP', 'MAINT', 'DRAIN', 'NOLB'] as const

/** The names of HAProxy's own exporter (`option http-use-htx`, service prometheus-exporter). */
export const addHaproxy = ({ listeners, version, director_started: started }: Status, add: Add): void => {
  const proxies = (value: (listener: ListenerStatus) => Sample[1]): readonly Sample[] =>
    listeners.map((listener): Sample => [{ proxy: listener.name }, value(listener)])
  const servers = (value: (server: ServerStatus) => Sample[1]): readonly Sample[] =>
    eachServer(listeners, (proxy, server) => ({ proxy, server }), value)
  const sumOf = (value: (server: ServerStatus) => number | null) => (listener: ListenerStatus) =>
    listener.servers.reduce<number | null>((all, server) => {
      const one = value(server)
      return all === null || one === null ? null : all + one
    }, 0)
  add('gauge', 'haproxy_process_build_info', 'Build info', [[{ version }, 1]])
  add('gauge', 'haproxy_process_uptime_seconds', 'How long ago this process was started', [[{}, ago(started)]])
  for (const side of ['frontend', 'backend'] as const) {
    add(
      'gauge',
      `haproxy_${side}_current_sessions`,
      'Number of current sessions',
      proxies((one) => one.sessions),
    )
    add(
      'gauge',
      `haproxy_${side}_max_sessions`,
      'Highest value of current sessions',
      proxies((one) => one.maximum_sessions),
    )
    add(
      'gauge',
      `haproxy_${side}_limit_sessions`,
      'Configured limit of sessions',
      proxies((one) => one.session_limit),
    )
    add(
      'counter',
      `haproxy_${side}_sessions_total`,
      'Total number of sessions',
      proxies((one) => one.total_sessions),
    )
    add(
      'counter',
      `haproxy_${side}_bytes_in_total`,
      'Total number of request bytes',
      proxies(sumOf((one) => one.bytes_in)),
    )
    add(
      'counter',
      `haproxy_${side}_bytes_out_total`,
      'Total number of response bytes',
      proxies(sumOf((one) => one.bytes_out)),
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
  add(
    'gauge',
    'haproxy_backend_current_queue',
    'Number of current queued connections',
    proxies((one) => one.queued),
  )
  add(
    'gauge',
    'haproxy_backend_active_servers',
    'Number of active UP servers',
    proxies((one) => one.servers.filter(({ takes_sessions: takes, backup }) => takes && !backup).length),
  )
  add(
    'gauge',
    'haproxy_backend_backup_servers',
    'Number of backup UP servers',
    proxies((one) => one.servers.filter(({ takes_sessions: takes, backup }) => takes && backup).length),
  )
  add(
    'gauge',
    'haproxy_server_current_sessions',
    'Number of current sessions',
    servers((one) => one.sessions),
  )
  add(
    'gauge',
    'haproxy_server_max_sessions',
    'Highest value of current sessions',
    servers((one) => one.maximum_sessions),
  )
  add(
    'counter',
    'haproxy_server_sessions_total',
    'Total number of sessions',
    servers((one) => one.total_sessions),
  )
  add(
    'counter',
    'haproxy_server_bytes_in_total',
    'Total number of request bytes',
    servers((one) => one.bytes_in),
  )
  add(
    'counter',
    'haproxy_server_bytes_out_total',
    'Total number of response bytes',
    servers((one) => one.bytes_out),
  )
  add(
    'counter',
    'haproxy_server_connection_errors_total',
    'Total number of failed connections to server',
    servers((one) => one.connect_failures),
  )
  add(
    'counter',
    'haproxy_server_retry_warnings_total',
    'Total number of server connection retries',
    servers((one) => one.retries),
  )
  add(
    'counter',
    'haproxy_server_redispatch_warnings_total',
    'Total number of server redispatches due to connection failures',
    servers((one) => one.redispatches),
  )
  add(
    'gauge',
    'haproxy_server_weight',
    'Server effective weight',
    servers((one) => one.weight),
  )
  add(
    'counter',
    'haproxy_server_check_failures_total',
    'Total number of failed health checks',
    servers((one) => one.failed_checks),
  )
  add(
    'counter',
    'haproxy_server_check_up_down_total',
    'Total number of failed checks causing UP to DOWN',
    servers((one) => one.times_down),
  )
  add(
    'counter',
    'haproxy_server_downtime_seconds_total',
    'Total time spent in DOWN state',
    servers((one) => Math.floor(one.down_ms / millisPerSecond)),
  )
  add(
    'gauge',
    'haproxy_server_check_duration_seconds',
    'Total duration of the latest server health check',
    servers((one) => (one.last_check === null ? null : one.last_check.duration_ms / millisPerSecond)),
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
  const each = (value: (router: RouterStatus) => Sample[1]): readonly Sample[] =>
    vrrp.map((router): Sample => {
      const labels = { iname: router.name, intf: router.interface ?? '', vrid: `${router.virtual_router_id ?? ''}` }
      return [labels, value(router)]
    })
  add('gauge', 'keepalived_up', 'Status of keepalived', [[{}, 1]])
  add(
    'gauge',
    'keepalived_vrrp_state',
    'State of vrrp: 0 init, 1 backup, 2 master, 3 fault',
    vrrp.flatMap((router) =>
      router.virtual_addresses.map(
        (address): Sample => [
          {
            iname: router.name,
            intf: router.interface ?? '',
            vrid: `${router.virtual_router_id ?? ''}`,
            ip_address: address,
          },
          keepalivedStates[router.state],
        ],
      ),
    ),
  )
  add(
    'counter',
    'keepalived_advertisements_received_total',
    'Advertisements received',
    each((one) => one.received),
  )
  add(
    'counter',
    'keepalived_advertisements_sent_total',
    'Advertisements sent',
    each((one) => one.sent),
  )
  add(
    'counter',
    'keepalived_become_master_total',
    'State transitions',
    each((one) => one.transitions),
  )
}
