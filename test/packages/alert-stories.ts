// When each alert fires: what Prometheus has seen, a sample every five seconds, and moments at which it is quiet or fires.

/** One alert. `values` of series are in promtool's words (`1x10`: eleven times 1); `labels` are those it fires with. */
export type AlertStory = {
  readonly alert: string
  readonly series: Readonly<Record<string, string>>
  readonly quietAt: readonly string[]
  readonly firesAt: string
  readonly labels: Readonly<Record<string, string>>
  /** `$value` as its text shows it. */
  readonly value?: string
}

const on = (instance: string, labels: string): string => `{job="balancer",instance="${instance}",${labels}}`
const state = (instance: string, word: string): string =>
  `balancer_vrrp_state${on(instance, `vrrp_instance="VI_1",state="${word}"`)}`
const ofInstance = { job: 'balancer', vrrp_instance: 'VI_1' }
const ofListener = { job: 'balancer', instance: 'lb1', listener: 'mysql', datapath: 'kernel' }
const ofServer = { job: 'balancer', instance: 'lb1', listener: 'mysql', server: 'db1' }
const listener = (name: string, more = ''): string =>
  `balancer_listener_${name}${on('lb1', `listener="mysql",datapath="kernel"${more}`)}`
const server = (name: string): string => `balancer_server_${name}${on('lb1', 'listener="mysql",server="db1"')}`

/** Of packaging/balancer/mysql-balancer.rules.yaml, in its order. */
export const balancerStories: readonly AlertStory[] = [
  {
    alert: 'BalancerNoMaster',
    // A change of the master is over at once: the new one is there at the next scrape.
    series: { [state('lb1', 'master')]: '1x11 0x12 0x60', [state('lb2', 'master')]: '0x13 1x10 0x60' },
    quietAt: ['50s', '70s', '125s'],
    firesAt: '150s',
    labels: ofInstance,
  },
  {
    alert: 'BalancerTwoMasters',
    series: { [state('lb1', 'master')]: '1x60', [state('lb2', 'master')]: '0x11 1x60' },
    quietAt: ['50s', '70s'],
    firesAt: '80s',
    labels: ofInstance,
  },
  {
    alert: 'BalancerAdvertisementsDropped',
    series: { [`balancer_vrrp_findings${on('lb1', 'vrrp_instance="VI_1"')}`]: '0x11 1x60' },
    quietAt: ['50s', '2m'],
    firesAt: '3m',
    labels: { ...ofInstance, instance: 'lb1' },
  },
  {
    alert: 'BalancerFault',
    series: { [state('lb1', 'fault')]: '0x11 1x60', [state('lb2', 'fault')]: '0x80' },
    quietAt: ['50s', '110s'],
    firesAt: '130s',
    labels: { ...ofInstance, instance: 'lb1', state: 'fault' },
  },
  {
    alert: 'BalancerFlapping',
    series: { [`balancer_vrrp_transitions_total${on('lb1', 'vrrp_instance="VI_1"')}`]: '2x60 3x60 4+1x5 9x200' },
    quietAt: ['5m', '10m'],
    firesAt: '11m',
    labels: { ...ofInstance, instance: 'lb1' },
  },
  {
    alert: 'BalancerNoServer',
    series: { [listener('servers_usable')]: '2x11 0x60' },
    quietAt: ['50s', '65s'],
    firesAt: '75s',
    labels: ofListener,
  },
  {
    alert: 'BalancerNoWriter',
    // A change of the writer is over at once.
    series: {
      [server('writer')]: '1x11 0x60',
      [`balancer_server_writer${on('lb1', 'listener="mysql",server="db2"')}`]: '0x11 1x3 0x60',
    },
    quietAt: ['50s', '70s', '80s'],
    firesAt: '95s',
    labels: { job: 'balancer', instance: 'lb1', listener: 'mysql' },
  },
  {
    alert: 'BalancerServerDown',
    series: { [server('up')]: '1x11 0x60' },
    quietAt: ['50s', '110s'],
    firesAt: '125s',
    labels: ofServer,
  },
  {
    alert: 'BalancerServerFlapping',
    series: { [server('downs_total')]: '0x60 1x60 2+1x5 7x600' },
    quietAt: ['5m', '10m'],
    firesAt: '12m',
    labels: ofServer,
  },
  {
    alert: 'BalancerSessionsNearLimit',
    series: { [listener('sessions')]: '900x11 901x100', [listener('sessions_limit')]: '1000x120' },
    quietAt: ['55s', '5m'],
    firesAt: '6m5s',
    labels: ofListener,
  },
  {
    alert: 'BalancerClientsWait',
    series: { [listener('queued')]: '0x11 3x2 0x11 3x60' },
    quietAt: ['70s', '100s', '150s'],
    firesAt: '165s',
    labels: ofListener,
  },
  {
    alert: 'BalancerSessionsFail',
    series: {
      [listener('ends_total', ',reason="closed"')]: '0+9x300',
      [listener('ends_total', ',reason="client-left"')]: '0+1x300',
      [listener('ends_total', ',reason="queue-timeout"')]: '5x11 5+1x200',
    },
    quietAt: ['1m', '5m'],
    firesAt: '7m',
    labels: { instance: 'lb1', listener: 'mysql', reason: 'queue-timeout' },
  },
  {
    alert: 'BalancerListenerClosed',
    series: { [`balancer_listener_open${on('lb1', 'listener="mysql",address="10.1.6.173:3306"')}`]: '1x11 0x60' },
    quietAt: ['50s', '110s'],
    firesAt: '125s',
    labels: { job: 'balancer', instance: 'lb1', listener: 'mysql', address: '10.1.6.173:3306' },
  },
  {
    alert: 'BalancerListenerFindings',
    series: { [listener('findings')]: '0x11 1x120' },
    quietAt: ['50s', '5m50s'],
    firesAt: '6m5s',
    labels: ofListener,
  },
  {
    alert: 'BalancerFindings',
    series: { 'balancer_findings{job="balancer",instance="lb1"}': '0x11 1x120' },
    quietAt: ['50s', '5m'],
    firesAt: '6m30s',
    labels: { job: 'balancer', instance: 'lb1' },
  },
  {
    alert: 'BalancerPeerGone',
    // One that is restarted is back before.
    series: { [`balancer_peer_connected${on('lb1', 'peer="10.1.6.205:9224"')}`]: '1x11 0x5 1x5 0x60' },
    quietAt: ['50s', '80s', '140s'],
    firesAt: '180s',
    labels: { job: 'balancer', instance: 'lb1', peer: '10.1.6.205:9224' },
  },
  {
    alert: 'BalancerGone',
    series: { 'up{job="balancer",instance="lb1"}': '1x11 0x60', 'up{job="other",instance="x"}': '0x80' },
    quietAt: ['50s', '110s'],
    firesAt: '125s',
    labels: { job: 'balancer', instance: 'lb1' },
  },
]

const node = (name: string, labels = ''): string => `mysqlchk_${name}{job="mysqlchk-agent",instance="db1"${labels}}`
const ofNode = { job: 'mysqlchk-agent', instance: 'db1' }

/** Of packaging/agent/mysqlchk-agent.rules.yaml, in its order. */
export const agentStories: readonly AlertStory[] = [
  {
    alert: 'MysqlNodeDown',
    // Whoever takes a node out knows that it is out.
    series: { [node('up')]: '1x11 0x80', [node('reason', ',code="force-fail"')]: '_x11 1x22 stale _x60' },
    quietAt: ['50s', '150s', '3m'],
    firesAt: '4m20s',
    labels: ofNode,
  },
  {
    alert: 'MysqlNodeTakenOut',
    series: { [node('reason', ',code="force-fail"')]: '1x3000' },
    quietAt: ['1h', '3h59m'],
    firesAt: '4h1m',
    labels: { ...ofNode, code: 'force-fail' },
  },
  {
    alert: 'MysqlReplicationLag',
    series: { [node('replication_lag_seconds')]: '60x11 61x100' },
    quietAt: ['50s', '5m'],
    firesAt: '6m5s',
    labels: ofNode,
    value: '61',
  },
  {
    alert: 'MysqlGaleraNotSynced',
    series: { [node('galera_local_state')]: '4x11 2x200' },
    quietAt: ['50s', '10m'],
    firesAt: '11m5s',
    labels: ofNode,
  },
  {
    alert: 'MysqlConnectionsLow',
    series: { [node('connections_free_percent')]: '10x11 9x100' },
    quietAt: ['50s', '5m'],
    firesAt: '6m5s',
    labels: ofNode,
    value: '9',
  },
  {
    alert: 'MysqlProbesSlow',
    series: {
      [node('probe_duration_seconds_bucket', ',outcome="answered",le="0.5"')]: '0+1x300',
      [node('probe_duration_seconds_bucket', ',outcome="answered",le="1"')]: '0+2x300',
      [node('probe_duration_seconds_bucket', ',outcome="answered",le="+Inf"')]: '0+2x300',
    },
    quietAt: ['1m', '9m'],
    firesAt: '11m',
    labels: { instance: 'db1' },
  },
  {
    alert: 'MysqlchkAgentLate',
    series: { [node('loop_lost_seconds_total')]: '0x11 0+1x100' },
    quietAt: ['50s', '5m'],
    firesAt: '9m',
    labels: ofNode,
  },
  {
    alert: 'MysqlchkClientsRefused',
    series: {
      [node('refused_total', ',reason="delayed"')]: '0+90x300',
      [node('refused_total', ',reason="busy"')]: '0+10x300',
    },
    quietAt: ['1m', '9m'],
    firesAt: '13m',
    labels: { instance: 'db1', reason: 'busy' },
  },
  {
    alert: 'MysqlchkAgentGone',
    series: { 'up{job="mysqlchk-agent",instance="db1"}': '1x11 0x60' },
    quietAt: ['50s', '110s'],
    firesAt: '125s',
    labels: ofNode,
  },
]
