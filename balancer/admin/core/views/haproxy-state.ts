// What HAProxy tells of its servers on the runtime socket beside the statistics: `show servers state`, `show servers conn`.

import type { ListenerStatus, ServerStatus, Status } from '../model/status.ts'
import { proxyNumber } from './csv.ts'

/** The version of the format, then the names of its fields (management guide, section 9.3, "show servers state"). */
const stateHead =
  '1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight ' +
  'srv_time_since_last_change srv_check_status srv_check_result srv_check_health srv_check_state srv_agent_state ' +
  'bk_f_forced_id srv_f_forced_id srv_fqdn srv_port srvrecord srv_use_ssl srv_check_port srv_check_addr srv_agent_addr ' +
  'srv_agent_port'

const connHead =
  '# bkname/svname bkid/svid addr port - purge_delay used_cur used_max need_est unsafe_nb safe_nb idle_lim idle_cur ' +
  'idle_per_thr[1]'

/** Numbers of HAProxy's: SRV_ST_* of a server, SRV_ADMF_* of what is ordered, CHK_RES_* and CHK_ST_* of its checks. */
const [stopped, running, stopping] = [0, 2, 3]
const [forcedMaintenance, forcedDrain] = [0x01, 0x08]
const [unknownResult, failed, passed, passedConditionally] = [0, 2, 3, 4]
const [disabledCheck, enabledCheck] = [0, 6]

/** HAProxy's HCHK_STATUS_*; it has none for layer 3, which is told as the one above. */
const checkNumbers: Readonly<Record<string, number>> = {
  SOCKERR: 5,
  L3OK: 6,
  L4OK: 6,
  L3TOUT: 7,
  L4TOUT: 7,
  L3CON: 8,
  L4CON: 8,
  L6TOUT: 10,
  L6RSP: 11,
  L7TOUT: 12,
  L7RSP: 13,
  L7OK: 15,
  L7OKC: 16,
  L7STS: 17,
}
const [unknownCheck, initializing] = [0, 1]
const millisPerSecond = 1000

/** `show servers state`, of one listener or of all; undefined where there is none of this name. */
export const serversState = (status: Status, name: string | undefined): string | undefined =>
  lines(status, name, stateHead, (listener, number, server, i) => {
    const { address, port } = placeOf(server)
    const result = resultOf(server)
    return [
      ...[number, listener.name, i + 1, server.name, address],
      ...[operationalState(server), adminState(server), server.weight, server.configured_weight],
      server.since === null ? 0 : Math.floor(server.since.ago_ms / millisPerSecond),
      server.last_check === null ? initializing : (checkNumbers[server.last_check.status] ?? unknownCheck),
      ...[result, server.health?.value ?? 0, server.admin === 'maint' ? disabledCheck : enabledCheck],
      server.agent_check === null && server.agent_trouble === null ? 0 : enabledCheck,
      ...[0, 0, '-', port, '-', 0, 0, '-', '-', 0],
    ]
  })

/** `show servers conn`, of one listener or of all; undefined where there is none of this name. No connection waits here without a session. */
export const serversConn = (status: Status, name: string | undefined): string | undefined =>
  lines(status, name, connHead, (listener, number, server, i) => {
    const { address, port } = placeOf(server)
    const counts = [server.sessions ?? 0, server.maximum_sessions ?? 0, server.sessions ?? 0]
    return [`${listener.name}/${server.name}`, `${number}/${i + 1}`, address, port, '-', 0, ...counts, 0, 0, -1, 0, 0]
  })

const lines = (
  { listeners }: Status,
  name: string | undefined,
  head: string,
  fieldsOf: (
    listener: ListenerStatus,
    number: number,
    server: ServerStatus,
    place: number,
  ) => readonly (string | number)[],
): string | undefined => {
  const asked = listeners.flatMap((listener, i) =>
    name === undefined || listener.name === name ? [[listener, proxyNumber(i)] as const] : [],
  )
  if (name !== undefined && asked.length === 0) return undefined
  const rows = asked.flatMap(([listener, number]) =>
    listener.servers.map((server, i) => fieldsOf(listener, number, server, i).join(' ')),
  )
  return [head, ...rows].join('\n')
}

const placeOf = ({ address: text }: ServerStatus): { readonly address: string; readonly port: string } => {
  const colon = text.lastIndexOf(':')
  return { address: text.slice(0, colon).replace(/^\[|\]$/g, ''), port: text.slice(colon + 1) }
}

const operationalState = ({ up, status }: ServerStatus): number =>
  up ? (status === 'NOLB' ? stopping : running) : stopped

const adminState = ({ admin }: ServerStatus): number =>
  admin === 'maint' ? forcedMaintenance : admin === 'drain' ? forcedDrain : 0

const resultOf = ({ last_check: check }: ServerStatus): number => {
  if (check === null) return unknownResult
  return check.passed ? (check.status === 'L7OKC' ? passedConditionally : passed) : failed
}
