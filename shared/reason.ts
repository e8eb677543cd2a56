// The closed set of reasons an agent can give for its answer, each with what the operator can do about it.

/** Reason codes on the wire: the header `Mysqlchk-Reason`, the health report, logs and metrics. */
export const reasonCodes = [
  'ok',
  'starting',
  'not-set-up',
  'connection-refused',
  'unreachable',
  'timeout',
  'access-denied',
  'tls-failed',
  'too-many-connections',
  'host-blocked',
  'query-failed',
  'connection-lost',
  'not-primary',
  'not-ready',
  'not-synced',
  'donor',
  'desynced',
  'rejecting-queries',
  'maintenance-mode',
  'galera-off',
  'not-online',
  'no-majority',
  'no-data-nodes',
  'read-only',
  'replication-stopped',
  'replication-lag',
  'unexpected-result',
  'disk-full',
  'disk-unknown',
  'write-failed',
  'connections-low',
  'not-applicable',
  'closed-to-clients',
  'force-fail',
  'agent-late',
  'unknown',
] as const

/** Why a node passes or fails. `unknown` stands for a code that a newer agent sent and this program does not know. */
export type ReasonCode = (typeof reasonCodes)[number]

/**
 * How sure a failing answer is. `hard`: the server itself said so, one answer is enough. `soft`: it may be a passing
 * trouble, the balancer wants `fall` of them in a row.
 */
export type Certainty = 'hard' | 'soft'

type ReasonTrait = { readonly certainty: Certainty; readonly advice: string }

const traits: Readonly<Record<ReasonCode, ReasonTrait>> = {
  ok: { certainty: 'soft', advice: 'Nothing to do.' },
  starting: { certainty: 'soft', advice: 'The agent has no result yet. Ask again in a second.' },
  'not-set-up': {
    certainty: 'soft',
    advice: 'More of it: man mysqlchk-agent, FIRST START.',
  },
  'connection-refused': {
    certainty: 'hard',
    advice:
      'Nothing listens there. Is the server up? systemctl status mariadb (or mysql). Or compare mysql in agent.yaml.',
  },
  unreachable: {
    certainty: 'soft',
    advice:
      'No way to the server from here. Compare mysql in agent.yaml with the server, its network and the rights of this user.',
  },
  timeout: {
    certainty: 'soft',
    advice:
      'The server hangs, is overloaded or waits for its disk or a lock. SHOW PROCESSLIST and the load of the host tell which.',
  },
  'access-denied': {
    certainty: 'soft',
    advice:
      'The server refused the check user, or a question of it. Compare its grants with what the agent logs in with and asks, and REQUIRE SSL with mysql.tls.',
  },
  'tls-failed': {
    certainty: 'soft',
    advice:
      'The login cannot be encrypted as one of the two wants it. Compare mysql.tls in agent.yaml with the certificate of the server.',
  },
  'too-many-connections': {
    certainty: 'soft',
    advice: 'max_connections, or what the check user may have of it, is used up. SHOW PROCESSLIST tells by whom.',
  },
  'host-blocked': {
    certainty: 'soft',
    advice: 'The server blocked the agent after too many connection errors. Run FLUSH HOSTS.',
  },
  'query-failed': {
    certainty: 'soft',
    advice: 'The server answered the check with an error. Run the query by hand as the check user.',
  },
  'connection-lost': {
    certainty: 'soft',
    advice: 'The server closed the connection. It may be stopping or restarting; read its error log.',
  },
  'not-primary': {
    certainty: 'hard',
    advice: 'The node is cut off from the majority of its Galera cluster. Check its network and wsrep_cluster_size.',
  },
  'not-ready': {
    certainty: 'hard',
    advice: 'The node is joining or has lost its cluster. Wait, or read its error log.',
  },
  'not-synced': {
    certainty: 'hard',
    advice: 'The node is still catching up with its cluster. Wait, or read its error log.',
  },
  // A donor of an incremental transfer is back within a second: not worth the sessions it has.
  donor: {
    certainty: 'soft',
    advice:
      'The node sends its data to another one, or holds a lock on all tables (FLUSH TABLES WITH READ LOCK, a backup), and comes back by itself. available_when_donor keeps one that is not blocked.',
  },
  desynced: {
    certainty: 'hard',
    advice: 'Somebody took the node out, or a backup has: SET GLOBAL wsrep_desync=OFF brings it back.',
  },
  'rejecting-queries': {
    certainty: 'hard',
    advice: 'Somebody has the node refuse all statements. Take it back with SET GLOBAL wsrep_reject_queries=NONE.',
  },
  'maintenance-mode': {
    certainty: 'hard',
    advice:
      'Somebody took the node out, or it shuts down: pxc_maint_mode (back with DISABLED) or offline_mode (back with OFF).',
  },
  'galera-off': {
    certainty: 'hard',
    advice:
      'The node is set up for Galera and runs without it. SET GLOBAL wsrep_on=ON, or restart it; check.mode: ping if it is to stand alone.',
  },
  'not-online': {
    certainty: 'hard',
    advice: 'The member of the group is not ONLINE. Wait while it recovers; after an error, START GROUP_REPLICATION.',
  },
  'no-majority': {
    certainty: 'hard',
    advice: 'Most members of the group cannot be reached, so that it takes no writes. Check the network between them.',
  },
  'no-data-nodes': {
    certainty: 'hard',
    advice: 'This SQL node sees no data node that is ready. Look at them with ndb_mgm -e show.',
  },
  'read-only': { certainty: 'hard', advice: 'The server takes no writes. A primary needs SET GLOBAL read_only=OFF.' },
  // A source that restarts is back within seconds, and so is a short lag.
  'replication-stopped': {
    certainty: 'soft',
    advice: 'Replication does not run. Read SHOW REPLICA STATUS, then START REPLICA.',
  },
  'replication-lag': {
    certainty: 'soft',
    advice: 'The replica is too far behind its source. Wait, or raise check.max_replication_lag.',
  },
  'unexpected-result': {
    certainty: 'hard',
    advice: 'The check query answered another value than check.expect. Run it by hand.',
  },
  'disk-full': { certainty: 'hard', advice: 'The disk of the data directory is nearly full. Make room: df -h, df -i.' },
  'disk-unknown': {
    certainty: 'soft',
    advice: 'The disk of the data directory cannot be looked at. Compare check.disk.path and the rights of the agent.',
  },
  'write-failed': {
    certainty: 'soft',
    advice: 'The write to the heartbeat table failed. Write to it by hand as the check user.',
  },
  'connections-low': {
    certainty: 'soft',
    advice: 'Few connections are left below max_connections. SHOW PROCESSLIST tells who holds them.',
  },
  'not-applicable': {
    certainty: 'hard',
    advice: 'This server is not of the kind that was asked for. Ask another path, or correct check.mode.',
  },
  'closed-to-clients': {
    certainty: 'hard',
    advice:
      'The server answers here, and not where clients come in. Compare skip_networking, bind_address and port with mysql.client_address.',
  },
  'force-fail': {
    certainty: 'hard',
    advice: 'An operator took the node out. mysqlchk-agent pass, or removing the file, brings it back.',
  },
  'agent-late': {
    certainty: 'soft',
    advice:
      'The agent itself got no processor time. This says nothing about the database; look at the load of the host.',
  },
  unknown: { certainty: 'soft', advice: 'The agent is newer than this program. Read the text of its answer.' },
}

/** How sure an answer with this reason is. */
export const certaintyOf = (code: ReasonCode): Certainty => traits[code].certainty

/** One or two sentences for the operator: what the reason means and what to do. */
export const adviceFor = (code: ReasonCode): string => traits[code].advice
