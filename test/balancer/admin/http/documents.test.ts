import t from 'tap'
import { statusOf } from '../../../../balancer/admin/core/model/status.ts'
import { csvColumns, csvOf } from '../../../../balancer/admin/core/views/csv.ts'
import { healthzOf } from '../../../../balancer/admin/core/views/healthz.ts'
import { createDocuments, documentAt } from '../../../../balancer/admin/http/documents.ts'
import { balancerSchema } from '../../../../balancer/config/schema.ts'
import { createAccounts } from '../../../../balancer/pool/core/accounts.ts'
import type { Fact } from '../../../../balancer/pool/core/facts.ts'
import { createPool } from '../../../../balancer/pool/core/pool.ts'
import { exportedIn, expressionsIn, metricsIn } from '../../../packaging/alerts.ts'
import { failedCheck, healthFact } from '../../pool/health-fact.ts'
import { listenerFact } from '../../pool/listener-fact.ts'
import { routerFact } from '../../pool/router-fact.ts'
import { pageOf } from '../scene.ts'

const config = balancerSchema.parse({
  router_id: 'lb1',
  vrrp: {
    instances: [
      { name: 'VI_1', interface: 'eth0', virtual_router_id: 51, priority: 100, virtual_addresses: ['198.18.0.100/32'] },
    ],
  },
  listeners: [
    {
      name: 'mysql',
      bind: '198.18.0.100:3306',
      servers: [
        { name: 'db1', address: '198.18.0.11:3306' },
        { name: 'db2', address: '198.18.0.12:3306', backup: true, max_connections: 10 },
      ],
    },
  ],
})

const traffic = {
  ...{ sessions: 3, maximumSessions: 7, totalSessions: 40, bytesIn: 1000, bytesOut: 5000 },
  ...{ connectFailures: 2, refusedConnects: 1, failuresInARow: 0 },
}

const facts: readonly Fact[] = [
  healthFact('db1', { lastCheck: { ...failedCheck('ok'), passed: true, status: 'L7OK', code: 200, durationMs: 4 } }),
  healthFact('db2', {
    up: false,
    backup: true,
    maximumSessions: 10,
    lastCheck: failedCheck('not "primary", cut\noff'),
  }),
  listenerFact({
    binds: [{ address: '198.18.0.100:3306', open: true, why: null }],
    ...{ sessions: 3, maximumSessions: 7, totalSessions: 40, ends: { closed: 30, denied: 2, rate: 1 } },
    servers: [
      { server: 'db1', ...traffic, detail: { kind: 'userspace', retries: 1, redispatches: 0 } },
      { server: 'db2', ...traffic, sessions: null, totalSessions: null, bytesIn: null, detail: null },
    ],
    detail: { kind: 'userspace', queued: 5, maximumQueued: 5 },
  }),
  routerFact({ dropped: { 'wrong-password': 1 } }),
]

const status = (more: readonly Fact[] = [], configured = config) => {
  const accounts = createAccounts()
  for (const fact of [...facts, ...more]) accounts.hear(fact, 3000)
  const clock = { version: '1.2', now: 5000, startedAt: 0, iso: (moment: number) => `${moment}` }
  return statusOf({
    config: configured,
    pool: createPool([...facts, ...more]),
    accounts,
    ...clock,
    refusals: { slow: 2 },
  })
}

/** Reads CSV as RFC 4180 has it. */
const rowsOf = (text: string): readonly ReadonlyMap<string, string>[] => {
  const rows: string[][] = [[]]
  let cell = ''
  let isQuoted = false
  for (let i = 0; i < text.length; i += 1) {
    const letter = text[i] ?? ''
    if (isQuoted && letter === '"' && text[i + 1] === '"') {
      cell += '"'
      i += 1
    } else if (letter === '"') isQuoted = !isQuoted
    else if (!isQuoted && (letter === ',' || letter === '\n')) {
      if (letter === ',') rows.at(-1)?.push(cell)
      else rows.push([])
      cell = ''
    } else cell += letter
  }
  const [head = [], ...others] = rows.filter((row) => row.length > 0)
  return others.map((row) => new Map(row.map((value, i) => [(head[i] ?? '').replace(/^# /, ''), value])))
}

t.test('CSV has the columns of HAProxy, each row as many, and what is not known is empty', async (t) => {
  const text = csvOf(status())
  t.equal(text.split('\n')[0], `# ${csvColumns.join(',')},`)
  const rows = rowsOf(text)
  t.same(
    rows.map((row) => [row.get('svname'), row.get('type'), row.size]),
    [
      ['FRONTEND', '0', csvColumns.length],
      ['db1', '2', csvColumns.length],
      ['db2', '2', csvColumns.length],
      ['BACKEND', '1', csvColumns.length],
    ],
  )
  const [front, db1, db2, back] = rows.map((row) => Object.fromEntries(row))
  t.match(front, {
    pxname: 'mysql',
    status: 'OPEN',
    scur: '3',
    smax: '7',
    slim: '4000',
    stot: '40',
    dcon: '3',
    bin: '',
  })
  t.match(db1, { status: 'UP', weight: '1', act: '1', bck: '0', check_status: 'L7OK', check_code: '200', wretr: '1' })
  t.match(db1, { check_duration: '4', addr: '198.18.0.11:3306', slim: '', qcur: '', throttle: '', lastsess: '-1' })
  t.match(db2, { status: 'DOWN', act: '0', bck: '1', scur: '', slim: '10', chkfail: '1', chkdown: '1', downtime: '4' })
  t.match(db2, { last_chk: 'not "primary", cut\noff: not "primary", cut\noff' })
  t.match(back, { status: 'UP', qcur: '5', act: '1', bck: '0', econ: '4', algo: 'roundrobin', type: '1' })
})

t.test('paths', async (t) => {
  const cases = {
    '/status': 'page',
    '/status/json': 'json',
    '/status/schema.json': 'schema',
    '/status;csv': 'csv',
    '/status/csv': 'csv',
    '/status/live': 'live',
    '/events': 'events',
    '/metrics': 'metrics',
    '/healthz': 'healthz',
    '/statusx': undefined,
    '/': undefined,
  }
  for (const [path, name] of Object.entries(cases)) t.equal(documentAt(path, '/status'), name, path)
  t.equal(documentAt('/json', '/'), 'json')
})

const metricsOf = async (query: string, shown = status()): Promise<string> => {
  return (await createDocuments()('metrics', pageOf(shown), new URLSearchParams(query))).text
}

/** With what not everybody has: a writer, and other balancers. */
const statusWithAll = () => {
  const { name, address, ...peer } = { name: 'lb2', address: '198.18.0.3:9224', connected: true, why: null }
  const peers: Fact = {
    fact: 'peers',
    listen: null,
    trouble: null,
    exceptions: 0,
    peers: [{ name, address, ...peer, since: 1000, told: 0, taken: 0, holds: [], warnings: [], malformed: {} }],
    refused: {},
  }
  return status([peers], {
    ...config,
    listeners: config.listeners.map((one) => ({ ...one, balance: 'single' as const })),
  })
}

t.test('metrics: what is known as numbers, what is not is absent, other names on demand', async (t) => {
  const text = await metricsOf('')
  for (const line of [
    'balancer_server_up{listener="mysql",server="db1"} 1',
    'balancer_server_up{listener="mysql",server="db2"} 0',
    'balancer_server_down_seconds_total{listener="mysql",server="db2"} 4',
    'balancer_server_bytes_in_total{listener="mysql",server="db1"} 1000',
    'balancer_listener_ends_total{listener="mysql",datapath="userspace",reason="denied"} 2',
    'balancer_status_page_refused_total{reason="slow"} 2',
  ]) {
    t.ok(text.includes(`${line}\n`), line)
  }
  t.notMatch(text, 'balancer_server_bytes_in_total{listener="mysql",server="db2"}')
  t.match(text, /balancer_vrrp_state\{vrrp_instance="VI_1",state="master"\} [01]\n/)
  t.notMatch(text, /^(haproxy|keepalived)_/m)
  const others = await metricsOf('names=haproxy,keepalived&names=nonsense')
  t.match(others, 'haproxy_server_status{proxy="mysql",server="db2",state="DOWN"} 1')
  t.match(others, /^keepalived_vrrp_state\{.*vrid="51".*\} \d$/m)
})

t.test('alert rules and dashboard ask for metrics and labels that there are', async (t) => {
  const text = await metricsOf('', statusWithAll())
  const exported = exportedIn(text)
  const asked = expressionsIn('balancer/mysql-balancer.rules.yaml', 'balancer/mysql-balancer.dashboard.json')
  t.ok(asked.length > 25)
  for (const expression of asked) {
    for (const name of metricsIn(expression, 'balancer')) t.ok(exported.has(name), `${name} in ${expression}`)
    for (const [, label = ''] of expression.matchAll(
      /\b(state|reason|listener|server|vrrp_instance|address|peer)\b/g,
    )) {
      t.match(text, `${label}="`, expression)
    }
  }
})

t.test('healthz is well while clients may be sent here, and says why not', async (t) => {
  t.same(healthzOf(status()), { ok: true, lines: [] })
  const faulty = healthzOf(status([{ ...routerFact(), state: 'fault', reason: 'interface eth1 is down' }]))
  t.same(faulty, { ok: false, lines: ['VRRP instance VI_1 is in FAULT: interface eth1 is down'] })
  const empty = healthzOf(status([healthFact('db1', { admin: 'maint' })]))
  t.same(empty.lines, ['Listener mysql has no server that takes sessions'])
})
