// What Prometheus makes of what the packages bring for it: promtool reads both daemons' metrics, the alert rules and the dashboards'
// queries, and each alert fires when it should. promtool is taken out of Debian's package, which with all it depends on is too
// large to be installed for this.

import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { createMetrics, type OtherNames } from '../../balancer/admin/http/metrics.ts'
import { fullMetrics } from '../agent/metrics-sample.ts'
import { mustRun } from '../lab/command.ts'
import { type AlertRule, alertsIn, queriesIn } from '../packaging/alerts.ts'
import { root } from '../packaging/keys.ts'
import { madeUpSite } from '../packaging/made-up-site.ts'
import { type AlertStory, agentStories, balancerStories } from './alert-stories.ts'

t.setTimeout(300_000)
const directory = mkdtempSync(join(tmpdir(), 'promtool-'))
t.teardown(() => rmSync(directory, { recursive: true }))
const place = (name: string): string => join(directory, name)

const fetching = `cd "$0"
apt-get download -o APT::Sandbox::User=root prometheus
dpkg-deb --fsys-tarfile prometheus_*.deb | tar -x ./usr/bin/promtool`
await mustRun('sh', ['-ec', fetching, directory])

const promtool = (words: readonly string[], input = ''): { readonly code: number | null; readonly said: string } => {
  const { status, stdout, stderr } = spawnSync(place('usr/bin/promtool'), words, { input, encoding: 'utf8' })
  return { code: status, said: `${stdout}${stderr}` }
}

t.test('it finds nothing to say of the metrics of both daemons', async (t) => {
  const metrics = createMetrics()
  const { status } = madeUpSite('127.0.0.1:1', '/dev/null').scene({ busy: 1 })
  for (const names of [[], ['haproxy'], ['keepalived'], ['haproxy', 'keepalived']] satisfies OtherNames[][]) {
    const { text } = await metrics(status, new Set(names))
    t.match(text, /^balancer_listener_sessions\{/m)
    for (const name of names) t.match(text, new RegExp(`^${name}_`, 'm'))
    t.same(promtool(['check', 'metrics'], text), { code: 0, said: '' }, `names=${names}`)
  }
  t.same(promtool(['check', 'metrics'], await fullMetrics()), { code: 0, said: '' }, 'of the agent')
})

/** As Grafana fills them in. */
const filledIn = (query: string): string =>
  query.replaceAll('$instance', '.*').replaceAll('$__rate_interval', '5m').replaceAll('$__interval', '1m')

for (const [name, rules, dashboard, stories] of [
  ['balancer', 'balancer/mysql-balancer.rules.yaml', 'balancer/mysql-balancer.dashboard.json', balancerStories],
  ['agent', 'agent/mysqlchk-agent.rules.yaml', 'agent/mysqlchk-agent.dashboard.json', agentStories],
] as const) {
  const file = join(root, 'packaging', rules)
  const alerts = alertsIn(rules)

  t.test(`the rules of the ${name} and the queries of its dashboard can be read`, async (t) => {
    const checked = promtool(['check', 'rules', file])
    t.match(checked, { code: 0, said: `${alerts.length} rules found` })
    const queries = queriesIn(dashboard)
    t.ok(queries.length > 10)
    const asRules = queries.map((query, i) => ({ record: `query:${i}`, expr: filledIn(query) }))
    writeFileSync(place('queries.yaml'), JSON.stringify({ groups: [{ name: 'queries', rules: asRules }] }))
    t.match(promtool(['check', 'rules', place('queries.yaml')]), { code: 0, said: `${queries.length} rules found` })
  })

  t.test(`each alert of the ${name} fires when it should, and not before`, async (t) => {
    t.same(
      alerts.map(({ alert }) => alert),
      stories.map(({ alert }) => alert),
      'all are told of',
    )
    const tests = stories.map((story) =>
      unitTest(
        story,
        alerts.find(({ alert }) => alert === story.alert),
      ),
    )
    writeFileSync(place('tests.yaml'), JSON.stringify({ rule_files: [file], evaluation_interval: '5s', tests }))
    const tested = promtool(['test', 'rules', place('tests.yaml')])
    t.match(tested, { code: 0, said: /SUCCESS/ }, tested.said)
  })
}

/** A story in the words of promtool: the alert with its labels and texts, and none at a moment when all is well or it is too early. */
const unitTest = ({ alert, series, quietAt, firesAt, labels, value }: AlertStory, rule: AlertRule | undefined) => {
  if (rule === undefined) throw new Error(`there is no alert ${alert}`)
  const filled = (text: string): string =>
    text
      .replace(/\{\{ \$labels\.(\w+) \}\}/g, (_, name: string) => labels[name] ?? '')
      .replace('{{ $value }}', value ?? '')
  const annotations = Object.fromEntries(Object.entries(rule.annotations).map(([key, text]) => [key, filled(text)]))
  const fired = { exp_labels: { ...labels, ...rule.labels }, exp_annotations: annotations }
  return {
    name: alert,
    interval: '5s',
    input_series: Object.entries(series).map(([one, values]) => ({ series: one, values })),
    alert_rule_test: [
      ...quietAt.map((at) => ({ eval_time: at, alertname: alert, exp_alerts: [] })),
      { eval_time: firesAt, alertname: alert, exp_alerts: [fired] },
    ],
  }
}
